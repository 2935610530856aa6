// Dropout whose mask depends on (seed, stream, step, layer, node, column) alone.
//
// Column c of node n is dropped where the 16-bit number c % 8 of block(step, layer, n, c / 8) is
// below the threshold; even numbers are the low halves of the block's words, odd ones the high
// halves. The probability is rounded to 1/65536, and what is kept is scaled by exactly 1 / (1 - p).
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/simd.h"
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

inline constexpr int kPhiloxLanes = 16;

/// Philox4x32-10 of sixteen counters at once; words[w][lane].
KGAT_INLINE void philox(std::uint32_t (&words)[4][kPhiloxLanes], trainhost::Philox::Key key) {
  using trainhost::Philox;
  std::uint32_t key0 = key[0], key1 = key[1];
  for (int round = 0; round < Philox::kRounds; ++round) {
    for (int lane = 0; lane < kPhiloxLanes; ++lane) {
      const std::uint64_t left = std::uint64_t{Philox::kMultiply0} * words[0][lane];
      const std::uint64_t right = std::uint64_t{Philox::kMultiply1} * words[2][lane];
      words[0][lane] = static_cast<std::uint32_t>(right >> 32) ^ words[1][lane] ^ key0;
      words[1][lane] = static_cast<std::uint32_t>(right);
      words[2][lane] = static_cast<std::uint32_t>(left >> 32) ^ words[3][lane] ^ key1;
      words[3][lane] = static_cast<std::uint32_t>(left);
    }
    key0 += Philox::kWeyl0;
    key1 += Philox::kWeyl1;
  }
}

/// The 16-bit numbers of `rows` nodes: numbers[i * padded(columns) + c].
template <class NodeOf>
KGAT_INLINE void dropout_numbers(const Dropout& dropout, NodeOf node_of, std::ptrdiff_t rows,
                                 std::ptrdiff_t columns, std::uint16_t* numbers) {
  const std::ptrdiff_t blocks = padded(columns) / 8;
  const std::ptrdiff_t total = rows * blocks;
  for (std::ptrdiff_t first = 0; first < total; first += kPhiloxLanes) {
    std::uint32_t words[4][kPhiloxLanes] = {};
    const std::ptrdiff_t count = total - first < kPhiloxLanes ? total - first : kPhiloxLanes;
    for (std::ptrdiff_t lane = 0; lane < count; ++lane) {
      const std::ptrdiff_t at = first + lane;
      const auto counter = trainhost::Random::counter(
          dropout.step, dropout.layer, static_cast<std::uint64_t>(node_of(at / blocks)),
          static_cast<std::uint32_t>(at % blocks));
      for (int w = 0; w < 4; ++w) words[w][lane] = counter[static_cast<std::size_t>(w)];
    }
    philox(words, dropout.random.key());
    for (std::ptrdiff_t lane = 0; lane < count; ++lane) {
      std::uint16_t* out = numbers + (first + lane) * 8;
      for (int w = 0; w < 4; ++w) {
        out[2 * w] = static_cast<std::uint16_t>(words[w][lane]);
        out[2 * w + 1] = static_cast<std::uint16_t>(words[w][lane] >> 16);
      }
    }
  }
}

}  // namespace simd
}  // namespace kgat
