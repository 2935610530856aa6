// What the encoder's kernels compute with: vectors of floats from fp32 or bf16 memory, exp and
// GELU.
//
// A kernel works on rows of fp32 that are padded to whole vectors and stay in the first cache; rows
// in memory are fp32 or bf16 and of any length.
#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>

#include "simd/vectors.h"

namespace bert::kernels {

using namespace ::simd;

template <class Isa>
struct Bits {
  typedef std::uint16_t U16 __attribute__((vector_size(2 * Isa::kLanes)));
  typedef std::uint32_t U32 __attribute__((vector_size(4 * Isa::kLanes)));
  typedef std::int32_t I32 __attribute__((vector_size(4 * Isa::kLanes)));
};

template <class To, class From>
SIMD_INLINE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}

template <class Isa>
SIMD_INLINE typename Isa::F load_as(const float* at) {
  return load<Isa>(at);
}
template <class Isa>
SIMD_INLINE typename Isa::F load_as(const c10::BFloat16* at) {
  typename Bits<Isa>::U16 half;
  __builtin_memcpy(&half, at, sizeof(half));
  return bits_as<typename Isa::F>(__builtin_convertvector(half, typename Bits<Isa>::U32) << 16);
}

template <class Isa>
SIMD_INLINE void store_as(float* at, typename Isa::F value) {
  store<Isa>(at, value);
}
/// Rounded to the nearest, ties to even; what is no number stays none.
template <class Isa>
SIMD_INLINE void store_as(c10::BFloat16* at, typename Isa::F value) {
  using U32 = typename Bits<Isa>::U32;
  const U32 bits = bits_as<U32>(value);
  const U32 rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  const U32 nan = bits_as<U32>(value != value);
  const auto half =
      __builtin_convertvector((rounded & ~nan) | (nan & 0x7FC0U), typename Bits<Isa>::U16);
  __builtin_memcpy(at, &half, sizeof(half));
}

/// from [columns] → to [padded(columns)], zeros beyond.
template <class Isa, class T>
SIMD_INLINE void load_row(const T* from, std::ptrdiff_t columns, float* to) {
  std::ptrdiff_t c = 0;
  for (; c + Isa::kLanes <= columns; c += Isa::kLanes) store<Isa>(to + c, load_as<Isa>(from + c));
  for (; c < columns; ++c) to[c] = static_cast<float>(from[c]);
  for (const std::ptrdiff_t end = padded(columns); c < end; ++c) to[c] = 0.0F;
}

/// from [padded(columns)] → to [columns].
template <class Isa, class T>
SIMD_INLINE void store_row(const float* from, std::ptrdiff_t columns, T* to) {
  std::ptrdiff_t c = 0;
  for (; c + Isa::kLanes <= columns; c += Isa::kLanes) store_as<Isa>(to + c, load<Isa>(from + c));
  for (; c < columns; ++c) to[c] = static_cast<T>(from[c]);
}

/// condition (all ones or all zeros in each lane) ? yes : no.
template <class Isa>
SIMD_INLINE typename Isa::F choose(typename Bits<Isa>::I32 condition, typename Isa::F yes,
                                   typename Isa::F no) {
  using I32 = typename Bits<Isa>::I32;
  return bits_as<typename Isa::F>((bits_as<I32>(yes) & condition) |
                                  (bits_as<I32>(no) & ~condition));
}

/// The largest of the lanes.
template <class Isa, int kWidth = Isa::kLanes / 2>
SIMD_INLINE float largest_of(typename Isa::F value) {
  constexpr auto kLanes = std::make_integer_sequence<int, Isa::kLanes>{};
  const typename Isa::F other = rotated<Isa, kWidth>(value, kLanes);
  const auto larger = bits_as<typename Bits<Isa>::I32>(other > value);
  const typename Isa::F largest = choose<Isa>(larger, other, value);
  if constexpr (kWidth == 1) {
    return largest[0];
  } else {
    return largest_of<Isa, kWidth / 2>(largest);
  }
}

/// One step of turning a square of vectors: swaps the lanes of `low` that have bit kStep with those
/// of `high` that do not.
template <class Isa, int kStep, int... kLane>
SIMD_INLINE void swap_lanes(typename Isa::F& low, typename Isa::F& high,
                            std::integer_sequence<int, kLane...>) {
  constexpr int kLanes = Isa::kLanes;
  const typename Isa::F first = __builtin_shufflevector(
      low, high, ((kLane & kStep) != 0 ? kLanes + kLane - kStep : kLane)...);
  high = __builtin_shufflevector(low, high,
                                 ((kLane & kStep) != 0 ? kLanes + kLane : kLane + kStep)...);
  low = first;
}

/// square[i][j] := square[j][i].
template <class Isa, int kStep = 1>
SIMD_INLINE void turn_square(typename Isa::F (&square)[Isa::kLanes]) {
  if constexpr (kStep < Isa::kLanes) {
    SIMD_UNROLL for (int i = 0; i < Isa::kLanes; ++i) {
      if ((i & kStep) != 0) continue;
      swap_lanes<Isa, kStep>(square[i], square[i + kStep],
                             std::make_integer_sequence<int, Isa::kLanes>{});
    }
    turn_square<Isa, 2 * kStep>(square);
  }
}

/// e^x to 2 units in the last place, for x up to 88; 0 below -87.
template <class Isa>
SIMD_INLINE typename Isa::F exp_of(typename Isa::F x) {
  using F = typename Isa::F;
  using I32 = typename Bits<Isa>::I32;
  constexpr float kRound = 12582912.0F;  // 1.5 · 2^23: adding it leaves the nearest whole number
  const I32 small = bits_as<I32>(x < splat<Isa>(-87.0F));
  const F bounded = choose<Isa>(small, splat<Isa>(-87.0F), x);
  const F shifted = bounded * 1.44269504088896341F + kRound;
  const F whole = shifted - kRound;
  const F rest = bounded - whole * 0.693359375F - whole * -2.12194440e-4F;
  F sum = splat<Isa>(1.9875691500e-4F);
  sum = sum * rest + 1.3981999507e-3F;
  sum = sum * rest + 8.3334519073e-3F;
  sum = sum * rest + 4.1665795894e-2F;
  sum = sum * rest + 1.6666665459e-1F;
  sum = sum * rest + 5.0000001201e-1F;
  sum = sum * (rest * rest) + rest + 1.0F;
  const I32 exponent = bits_as<I32>(shifted) - std::bit_cast<std::int32_t>(kRound) + 127;
  const F power = bits_as<F>(exponent << 23);
  return bits_as<F>(bits_as<I32>(sum * power) & ~small);
}

/// The normal distribution Φ(x) and its density φ(x).
template <class Isa>
struct Normal {
  typename Isa::F cumulated, density;
};
/// Φ to 1e-7: Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26.
template <class Isa>
SIMD_INLINE Normal<Isa> normal_of(typename Isa::F x) {
  using F = typename Isa::F;
  using I32 = typename Bits<Isa>::I32;
  const F size = bits_as<F>(bits_as<I32>(x) & 0x7FFFFFFF);
  const F gauss = exp_of<Isa>(x * x * -0.5F);
  const F t = 1.0F / (size * (0.3275911F * 0.707106781F) + 1.0F);
  F sum = splat<Isa>(0.5F * 1.061405429F);
  sum = sum * t + 0.5F * -1.453152027F;
  sum = sum * t + 0.5F * 1.421413741F;
  sum = sum * t + 0.5F * -0.284496736F;
  sum = sum * t + 0.5F * 0.254829592F;
  const F tail = sum * t * gauss;
  return {choose<Isa>(bits_as<I32>(x < splat<Isa>(0.0F)), tail, 1.0F - tail), gauss * 0.398942280F};
}

}  // namespace bert::kernels
