// Random numbers of 16 bits from Philox4x32-10, a vector of counters at once (trainhost/random.h
// says what the counters mean).
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd/vectors.h"
#include "trainhost/random.h"

namespace simd {

/// A row of numbers: number c is number c % 8 of block(step, layer, id, first_draw + c / 8); even
/// numbers are the low halves of a block's words, odd ones the high halves.
struct NumberRow {
  std::uint64_t id;
  std::uint32_t first_draw;
};

template <class Isa>
struct Words {
  static constexpr int kLanes = Isa::kLanes;
  typedef std::uint32_t U32 __attribute__((vector_size(4 * Isa::kLanes)));
  typedef std::uint64_t U64 __attribute__((vector_size(4 * Isa::kLanes)));

  U32 word[4];  ///< counters before, random words after
};

/// The products of the even words of two vectors. GCC 12 makes three instructions of the generic
/// form where there is one.
template <class Isa>
SIMD_INLINE typename Words<Isa>::U64 even_products(typename Words<Isa>::U64 left,
                                                   typename Words<Isa>::U64 right) {
  if constexpr (Isa::kLanes == Baseline::kLanes) {
    return (left & 0xFFFFFFFFU) * (right & 0xFFFFFFFFU);
  } else {
    typename Words<Isa>::U64 out;
    asm("vpmuludq %2, %1, %0" : "=v"(out) : "v"(left), "v"(right));
    return out;
  }
}

/// The 64-bit products of all words with a factor, as their high and their low words.
template <class Isa>
SIMD_INLINE void multiply(typename Words<Isa>::U32 words, std::uint32_t factor,
                          typename Words<Isa>::U32& high, typename Words<Isa>::U32& low) {
  using U32 = typename Words<Isa>::U32;
  using U64 = typename Words<Isa>::U64;
  constexpr std::uint64_t kLow = 0xFFFFFFFFU;
  const U64 factors = U64{} + factor;
  const U64 even = even_products<Isa>((U64)words, factors);
  const U64 odd = even_products<Isa>((U64)words >> 32, factors);
  high = (U32)((even >> 32) | (odd & ~kLow));
  low = (U32)((even & kLow) | (odd << 32));
}

template <class Isa>
SIMD_INLINE void philox(Words<Isa>& words, trainhost::Philox::Key key) {
  using trainhost::Philox;
  using U32 = typename Words<Isa>::U32;
  SIMD_UNROLL for (int round = 0; round < Philox::kRounds; ++round) {
    U32 high0, low0, high2, low2;
    multiply<Isa>(words.word[0], Philox::kMultiply0, high0, low0);
    multiply<Isa>(words.word[2], Philox::kMultiply1, high2, low2);
    words.word[0] = high2 ^ words.word[1] ^ key[0];
    words.word[1] = low2;
    words.word[2] = high0 ^ words.word[3] ^ key[1];
    words.word[3] = low0;
    key[0] += Philox::kWeyl0;
    key[1] += Philox::kWeyl1;
  }
}

/// Words pairwise: of each four lanes the first two (kSecond = 0) or the last two.
template <class Isa, int kSecond, int kStep, int... kLane>
SIMD_INLINE typename Words<Isa>::U32 interleaved(typename Words<Isa>::U32 left,
                                                 typename Words<Isa>::U32 right,
                                                 std::integer_sequence<int, kLane...>) {
  constexpr auto from = [](int lane) {
    const int place = lane % 4, first = lane - place + 2 * kSecond;
    if (kStep == 1) return first + place / 2 + (place % 2 == 1 ? Isa::kLanes : 0);
    return first + place % 2 + (place >= 2 ? Isa::kLanes : 0);
  };
  return __builtin_shufflevector(left, right, from(kLane)...);
}

/// The words of kLanes blocks, one block after the other: out [kLanes, 8]. Block b is what lane
/// lane_of_block(b) computed: so no word has to leave its quarter of the vector.
template <class Isa>
SIMD_INLINE void store_blocks(const Words<Isa>& words, std::uint16_t* out) {
  using U32 = typename Words<Isa>::U32;
  constexpr auto kLanes = std::make_integer_sequence<int, Isa::kLanes>{};
  const U32 first01 = interleaved<Isa, 0, 1>(words.word[0], words.word[1], kLanes);
  const U32 first23 = interleaved<Isa, 0, 1>(words.word[2], words.word[3], kLanes);
  const U32 last01 = interleaved<Isa, 1, 1>(words.word[0], words.word[1], kLanes);
  const U32 last23 = interleaved<Isa, 1, 1>(words.word[2], words.word[3], kLanes);
  const U32 blocks[4] = {interleaved<Isa, 0, 2>(first01, first23, kLanes),
                         interleaved<Isa, 1, 2>(first01, first23, kLanes),
                         interleaved<Isa, 0, 2>(last01, last23, kLanes),
                         interleaved<Isa, 1, 2>(last01, last23, kLanes)};
  __builtin_memcpy(out, blocks, sizeof(blocks));
}

template <class Isa>
constexpr std::ptrdiff_t lane_of_block(std::ptrdiff_t block) {
  return 4 * (block % (Isa::kLanes / 4)) + block / (Isa::kLanes / 4);
}

/// The numbers of `rows` rows of `blocks` blocks each: numbers[(i * blocks + b) * 8 + …], row i
/// being row_of(i).
template <class Isa, class RowOf>
SIMD_INLINE void random_numbers(const trainhost::Random& random, std::uint32_t step,
                                std::uint16_t layer, RowOf row_of, std::ptrdiff_t rows,
                                std::ptrdiff_t blocks, std::uint16_t* numbers) {
  constexpr std::ptrdiff_t kLanes = Isa::kLanes;
  const std::ptrdiff_t total = rows * blocks;
  std::ptrdiff_t row = 0, block = 0;
  NumberRow current = total > 0 ? row_of(0) : NumberRow{};
  for (std::ptrdiff_t first = 0; first < total; first += kLanes) {
    alignas(64) std::uint32_t counters[4][kLanes] = {};
    const std::ptrdiff_t count = std::min(kLanes, total - first);
    for (std::ptrdiff_t at = 0; at < count; ++at) {
      const std::ptrdiff_t lane = lane_of_block<Isa>(at);
      counters[0][lane] = current.first_draw + static_cast<std::uint32_t>(block);
      counters[1][lane] = static_cast<std::uint32_t>(current.id);
      counters[3][lane] = static_cast<std::uint32_t>((current.id >> 32) & 0xFFFFU);
      if (++block == blocks && ++row < rows) {
        block = 0;
        current = row_of(row);
      }
    }
    Words<Isa> words;
    __builtin_memcpy(words.word, counters, sizeof(counters));
    words.word[2] = words.word[2] + step;
    words.word[3] = words.word[3] | (std::uint32_t{layer} << 16);
    philox<Isa>(words, random.key());
    if (count == kLanes) {
      store_blocks<Isa>(words, numbers + first * 8);
    } else {
      alignas(64) std::uint16_t last[8 * kLanes];
      store_blocks<Isa>(words, last);
      std::copy_n(last, count * 8, numbers + first * 8);
    }
  }
}

}  // namespace simd
