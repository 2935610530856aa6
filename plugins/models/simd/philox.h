// Philox4x32-10 of sixteen counters at once (trainhost/random.h says what the counters mean).
#pragma once

#include <cstdint>

#include "simd/vectors.h"
#include "trainhost/random.h"

namespace simd {

inline constexpr int kPhiloxLanes = 16;

/// words[w][lane]: counters before, random words after.
SIMD_INLINE void philox(std::uint32_t (&words)[4][kPhiloxLanes], trainhost::Philox::Key key) {
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

/// Random numbers of 16 bits: number c of the row `id` is number c % 8 of block(step, layer, id,
/// first_draw + c / 8); even numbers are the low halves of a block's words, odd ones the high
/// halves.
struct NumberRow {
  std::uint64_t id;
  std::uint32_t first_draw;
};

/// The numbers of `rows` rows of `blocks` blocks each: numbers[(i * blocks + b) * 8 + …], row i
/// being row_of(i).
template <class RowOf>
SIMD_INLINE void random_numbers(const trainhost::Random& random, std::uint32_t step,
                                std::uint16_t layer, RowOf row_of, std::ptrdiff_t rows,
                                std::ptrdiff_t blocks, std::uint16_t* numbers) {
  const std::ptrdiff_t total = rows * blocks;
  std::ptrdiff_t row = 0, block = 0;
  NumberRow current = total > 0 ? row_of(0) : NumberRow{};
  for (std::ptrdiff_t first = 0; first < total; first += kPhiloxLanes) {
    std::uint32_t words[4][kPhiloxLanes] = {};
    const std::ptrdiff_t count = total - first < kPhiloxLanes ? total - first : kPhiloxLanes;
    for (std::ptrdiff_t lane = 0; lane < count; ++lane) {
      const auto counter = trainhost::Random::counter(
          step, layer, current.id, current.first_draw + static_cast<std::uint32_t>(block));
      for (int w = 0; w < 4; ++w) words[w][lane] = counter[static_cast<std::size_t>(w)];
      if (++block == blocks && ++row < rows) {
        block = 0;
        current = row_of(row);
      }
    }
    philox(words, random.key());
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
