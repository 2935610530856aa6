#include "host/train/state_hash.h"

#include <ATen/core/Tensor.h>

#include <charconv>
#include <cstring>

#include "trainhost/error.h"

namespace trainhost::train {
namespace {

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit.
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

template <class Word>
std::uint64_t hash_words(const void* data, std::int64_t count, std::int64_t offset) {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
  const auto* bytes = static_cast<const char*>(data);
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, bytes + i * static_cast<std::int64_t>(sizeof(Word)), sizeof(Word));
    sum += mix(mix(static_cast<std::uint64_t>(offset + i + 1) * kGolden) ^ word);
  }
  return sum;
}

std::string hexadecimal(std::uint64_t value) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof text, value, 16).ptr;
  return std::string(16 - static_cast<std::size_t>(end - text), '0') + std::string(text, end);
}

}  // namespace

std::uint64_t hash_elements(const void* data, std::int64_t count, int bytes, std::int64_t offset) {
  switch (bytes) {
    case 1:
      return hash_words<std::uint8_t>(data, count, offset);
    case 2:
      return hash_words<std::uint16_t>(data, count, offset);
    case 4:
      return hash_words<std::uint32_t>(data, count, offset);
    case 8:
      return hash_words<std::uint64_t>(data, count, offset);
    default:
      throw Error(Failure::kRun, {.where = "hash of the state",
                                  .what = "a type has no hash",
                                  .expected = "elements of 1, 2, 4 or 8 bytes",
                                  .got = std::to_string(bytes)});
  }
}

std::vector<telemetry::State::Tensor> hash_state(const std::vector<StateSlice>& state) {
  std::vector<telemetry::State::Tensor> out;
  for (const StateSlice& slice : state) {
    const at::Tensor data = slice.data.to(at::kCPU).contiguous();
    telemetry::State::Tensor& tensor = out.emplace_back();
    tensor.name = slice.name;
    tensor.hash = hexadecimal(hash_elements(data.const_data_ptr(), data.numel(),
                                            static_cast<int>(data.element_size()), slice.offset));
    tensor.elements = data.numel();
    tensor.of_elements = 1;
    for (const std::int64_t size : slice.shape) tensor.of_elements *= size;
    tensor.replicated = slice.replicated;
    if (data.is_floating_point())
      tensor.squares = data.to(at::kDouble).square().sum().item<double>();
  }
  return out;
}

}  // namespace trainhost::train
