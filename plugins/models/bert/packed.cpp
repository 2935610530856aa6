#include "bert/packed.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>

#include "trainhost/error.h"

namespace bert {
namespace {

using trainhost::Error;
using trainhost::Failure;

void expect(bool holds, const char* what, const std::string& expected, const std::string& got) {
  if (holds) return;
  throw Error(Failure::kRun,
              {.where = "bert::pack", .what = what, .expected = expected, .got = got, .fix = {}});
}

std::shared_ptr<Sequences> sequences_of(const std::vector<std::span<const std::int32_t>>& texts,
                                        std::vector<std::uint64_t> keys) {
  expect(keys.size() == texts.size(), "a key for each text is needed", std::to_string(texts.size()),
         std::to_string(keys.size()));
  auto out = std::make_shared<Sequences>();
  out->offsets.reserve(texts.size() + 1);
  out->offsets.push_back(0);
  for (const auto& text : texts) {
    const auto length = static_cast<std::int64_t>(text.size());
    expect(length > 0 && length <= kKeyedPositions, "a text's length does not fit",
           "1 to " + std::to_string(kKeyedPositions) + " tokens", std::to_string(length));
    out->offsets.push_back(out->offsets.back() + length);
    out->longest = std::max(out->longest, length);
  }
  for (const std::uint64_t key : keys) {
    expect(key >> 36 == 0, "a key does not fit", "below 2^36", std::to_string(key));
  }
  out->keys = std::move(keys);
  return out;
}

at::Tensor longs(std::int64_t size) { return at::empty({size}, at::TensorOptions(at::kLong)); }

}  // namespace

Packed pack(const std::vector<std::span<const std::int32_t>>& texts,
            std::vector<std::uint64_t> keys,
            const std::vector<std::span<const std::uint8_t>>& types) {
  Packed out;
  out.sequences = sequences_of(texts, std::move(keys));
  const std::vector<std::int64_t>& offsets = out.sequences->offsets;
  out.ids = longs(offsets.back());
  out.positions = longs(offsets.back());
  auto* ids = out.ids.mutable_data_ptr<std::int64_t>();
  auto* positions = out.positions.mutable_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::copy(texts[i].begin(), texts[i].end(), ids + offsets[i]);
    std::iota(positions + offsets[i], positions + offsets[i + 1], std::int64_t{0});
  }
  if (!types.empty()) {
    out.types = longs(offsets.back());
    auto* to = out.types.mutable_data_ptr<std::int64_t>();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      expect(i < types.size() && types[i].size() == texts[i].size(), "types do not fit the text",
             std::to_string(texts[i].size()),
             i < types.size() ? std::to_string(types[i].size()) : "none");
      std::copy(types[i].begin(), types[i].end(), to + offsets[i]);
    }
  }
  out.starts = at::empty({static_cast<std::int64_t>(offsets.size())}, at::TensorOptions(at::kInt));
  std::copy(offsets.begin(), offsets.end(), out.starts.mutable_data_ptr<std::int32_t>());
  return out;
}

Packed to_device(const Packed& packed, at::Device device) {
  Packed out = packed;
  for (at::Tensor* tensor : {&out.ids, &out.positions, &out.types, &out.starts}) {
    if (tensor->defined()) *tensor = tensor->to(device, /*non_blocking=*/true);
  }
  return out;
}

}  // namespace bert
