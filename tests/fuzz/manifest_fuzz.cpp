// manifest.json of a checkpoint: host/checkpoint/manifest.h. A text without the seal of a manifest
// gets the right one, for no fuzzer finds a CRC-32.
#include "fuzz.h"
#include "host/checkpoint/manifest.h"
#include "trainhost/crc32.h"

namespace {

constexpr std::string_view kSeal = ",\n \"crc32\": ";

std::string sealed(std::string_view body) {
  if (body.rfind(kSeal) != std::string_view::npos) return std::string(body);
  const auto crc = trainhost::crc32_of(body.data(), static_cast<std::int64_t>(body.size()));
  return std::string(body).append(kSeal).append(std::to_string(crc)).append("\n}\n");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  using trainhost::checkpoint::manifest_from_json, trainhost::checkpoint::to_json;
  const std::string text = sealed(fuzz::text_of(data, size));
  fuzz::accepts([&] {
    const auto manifest = manifest_from_json(text, "manifest.json");
    fuzz::promise(trainhost::checkpoint::problem_of(manifest.pieces).empty(),
                  "the pieces of a manifest make up whole tensors");
    const std::string once = to_json(manifest);
    fuzz::promise(once == to_json(manifest_from_json(once, "manifest.json")),
                  "manifest_from_json is the inverse of to_json");
  });
  return 0;
}
