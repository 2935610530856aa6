// The index that a rank writes of its shard: host/checkpoint/manifest.h.
#include "fuzz.h"
#include "host/checkpoint/manifest.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = trainhost::fuzz;
  using trainhost::checkpoint::shard_index_from_json, trainhost::checkpoint::to_json;
  fuzz::accepts([&] {
    const std::string once = to_json(shard_index_from_json(fuzz::text_of(data, size), "x.json"));
    fuzz::promise(once == to_json(shard_index_from_json(once, "x.json")),
                  "shard_index_from_json is the inverse of to_json");
  });
  return 0;
}
