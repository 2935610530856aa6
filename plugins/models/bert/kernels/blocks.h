// Blocks of rows, and sums over rows that do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bert/kernels/vector.h"

namespace bert::kernels {

inline constexpr std::ptrdiff_t kBlockRows = 32;

inline std::ptrdiff_t blocks_of(std::ptrdiff_t rows) {
  return (rows + kBlockRows - 1) / kBlockRows;
}

/// Purpose: for each block of rows, the partial sums of some row vectors. Owner: one kernel's call.
/// Threads: each block's are written by one thread; add_up() when all are.
class PartialSums {
 public:
  PartialSums(std::ptrdiff_t rows, std::ptrdiff_t columns, int vectors)
      : width_(padded(columns)),
        vectors_(vectors),
        blocks_(blocks_of(rows)),
        sums_(static_cast<std::size_t>(blocks_ * vectors * width_), 0.0F) {}

  float* of(std::ptrdiff_t block, int vector) {
    return sums_.data() + (block * vectors_ + vector) * width_;
  }
  /// out[c] := the sum over blocks, in their order. A null `out` is passed over.
  void add_up(int vector, std::ptrdiff_t columns, float* out) {
    if (out == nullptr) return;
    std::fill_n(out, columns, 0.0F);
    for (std::ptrdiff_t block = 0; block < blocks_; ++block) {
      const float* from = of(block, vector);
      for (std::ptrdiff_t c = 0; c < columns; ++c) out[c] += from[c];
    }
  }

 private:
  const std::ptrdiff_t width_, vectors_, blocks_;
  std::vector<float> sums_;
};

/// A row vector of parameters, padded with zeros to whole vectors.
inline std::vector<float> padded_row(const float* from, std::ptrdiff_t columns) {
  std::vector<float> out(static_cast<std::size_t>(padded(columns)), 0.0F);
  if (from != nullptr) std::copy_n(from, columns, out.data());
  return out;
}

}  // namespace bert::kernels
