// How vectors are cut: into parts by rank, and into chunks that fit a stage. All in bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <span>

#include "shared_memory/operation.h"

namespace shared_memory {

struct Range {
  std::size_t begin = 0, end = 0;
  std::size_t size() const { return end - begin; }
};

/// The bytes of `total` that rank r reduces: whole cache lines, so ranks never share one.
inline Range part_of(std::size_t total, int rank, int world) {
  constexpr std::size_t kLineBytes = 64;
  const std::size_t lines = (total + kLineBytes - 1) / kLineBytes;
  const auto edge = [&](int r) {
    return std::min(
        total, lines * static_cast<std::size_t>(r) / static_cast<std::size_t>(world) * kLineBytes);
  };
  return {edge(rank), edge(rank + 1)};
}

inline std::size_t stages_for(std::size_t bytes, std::size_t chunk) {
  return (bytes + chunk - 1) / chunk;
}

inline Range chunk_of(std::size_t total, std::size_t number, std::size_t chunk) {
  return {std::min(total, number * chunk), std::min(total, (number + 1) * chunk)};
}

inline std::size_t bytes_of(std::int64_t count, const Operation& operation) {
  return static_cast<std::size_t>(count) * size_of(operation.what.element);
}

/// Where part r of a vector begins, in bytes.
inline std::size_t offset_of(std::span<const std::int64_t> counts, int rank,
                             const Operation& operation) {
  return bytes_of(std::accumulate(counts.begin(), counts.begin() + rank, std::int64_t{0}),
                  operation);
}

inline std::size_t largest(std::span<const std::int64_t> counts, const Operation& operation) {
  return bytes_of(counts.empty() ? 0 : *std::ranges::max_element(counts), operation);
}

inline void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes > 0 && to != from) std::memmove(to, from, bytes);
}

}  // namespace shared_memory
