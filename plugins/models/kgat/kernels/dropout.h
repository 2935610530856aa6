// Dropout whose mask depends on (seed, stream, step, layer, node, column) alone.
//
// Column c of node n is dropped where the 16-bit number c % 8 of block(step, layer, n, c / 8) is
// below the threshold; even numbers are the low halves of the block's words, odd ones the high
// halves. The probability is rounded to 1/65536, and what is kept is scaled by exactly 1 / (1 - p).
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/simd.h"
#include "simd/philox.h"
#include "trainhost/random.h"

namespace kgat {

/// Purpose: the key and rate of one layer's mask. A value; any thread.
struct Dropout {
  trainhost::Random random{0, 0};
  std::uint32_t step = 0;
  std::uint16_t layer = 0;
  std::uint32_t threshold = 0;  // of 65536; 0 for no dropout

  static Dropout make(double rate, trainhost::Random random, std::uint32_t step,
                      std::uint16_t layer) {
    return {random, step, layer, static_cast<std::uint32_t>(std::lround(rate * 65536.0))};
  }
  float scale() const { return 65536.0F / static_cast<float>(65536U - threshold); }
};

namespace simd {

/// The 16-bit numbers of `rows` nodes: numbers[i * padded(columns) + c].
template <class Isa, class NodeOf>
KGAT_INLINE void dropout_numbers(const Dropout& dropout, NodeOf node_of, std::ptrdiff_t rows,
                                 std::ptrdiff_t columns, std::uint16_t* numbers) {
  random_numbers<Isa>(
      dropout.random, dropout.step, dropout.layer,
      [&](std::ptrdiff_t i) {
        return NumberRow{static_cast<std::uint64_t>(node_of(i)), 0};
      },
      rows, padded(columns) / 8, numbers);
}

}  // namespace simd
}  // namespace kgat
