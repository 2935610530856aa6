// Vectors of floats, and the choice of the instruction set at run time.
//
// A kernel is written once, as a Body with a static always-inline run<Isa>(); dispatch<Body>()
// compiles it for AVX-512, AVX2 with FMA and the baseline, and calls the best the processor has.
// Sources of kernels are compiled with -ffp-contract=fast (see CMakeLists.txt), so a * b + c is one
// FMA where the instruction exists. Rows of blocks are padded to kPad floats, so that no kernel has
// a remainder of columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#define SIMD_INLINE [[gnu::always_inline]] static inline
#define SIMD_UNROLL _Pragma("GCC unroll 16")

namespace simd {

inline constexpr std::ptrdiff_t kPad = 16;

/// Columns rounded up to whole vectors.
constexpr std::ptrdiff_t padded(std::ptrdiff_t columns) {
  return (columns + kPad - 1) / kPad * kPad;
}

// Each instruction set: its vector, and the tile of a product that fills its registers.
struct Baseline {
  static constexpr int kLanes = 4, kTileRows = 4, kTileVectors = 2;
  using F [[gnu::vector_size(16)]] = float;
  using Unaligned [[gnu::vector_size(16), gnu::aligned(4), gnu::may_alias]] = float;
};
struct Avx2 {
  static constexpr int kLanes = 8, kTileRows = 6, kTileVectors = 2;
  using F [[gnu::vector_size(32)]] = float;
  using Unaligned [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = float;
};
struct Avx512 {
  static constexpr int kLanes = 16, kTileRows = 6, kTileVectors = 4;
  using F [[gnu::vector_size(64)]] = float;
  using Unaligned [[gnu::vector_size(64), gnu::aligned(4), gnu::may_alias]] = float;
};

template <class Isa>
SIMD_INLINE typename Isa::F load(const float* at) {
  return *reinterpret_cast<const typename Isa::Unaligned*>(at);
}
template <class Isa>
SIMD_INLINE void store(float* at, typename Isa::F value) {
  *reinterpret_cast<typename Isa::Unaligned*>(at) = value;
}
/// For constants: of a variable, GCC makes two instructions, and one of `vector * variable`.
template <class Isa>
SIMD_INLINE typename Isa::F splat(float value) {
  return typename Isa::F{} + value;
}

/// Lanes [kBy, kLanes), then the first kBy.
template <class Isa, int kBy, int... kLane>
SIMD_INLINE typename Isa::F rotated(typename Isa::F value, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(value, value, ((kLane + kBy) % Isa::kLanes)...);
}

/// The sum of the lanes: halves onto halves.
template <class Isa, int kWidth = Isa::kLanes / 2>
SIMD_INLINE float sum_of(typename Isa::F value) {
  constexpr auto kLanes = std::make_integer_sequence<int, Isa::kLanes>{};
  const typename Isa::F sums = value + rotated<Isa, kWidth>(value, kLanes);
  if constexpr (kWidth == 1) {
    return sums[0];
  } else {
    return sum_of<Isa, kWidth / 2>(sums);
  }
}

/// The dot product of two rows of `columns` floats (a multiple of kPad).
template <class Isa>
SIMD_INLINE float dot(const float* left, const float* right, std::ptrdiff_t columns) {
  typename Isa::F sums{};
  for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
    sums += load<Isa>(left + c) * load<Isa>(right + c);
  }
  return sum_of<Isa>(sums);
}

template <class Body, class... Args>
void run_baseline(Args... args) {
  Body::template run<Baseline>(args...);
}

#if defined(__x86_64__)
template <class Body, class... Args>
[[gnu::target("avx2,fma")]] void run_avx2(Args... args) {
  Body::template run<Avx2>(args...);
}
template <class Body, class... Args>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]] void run_avx512(Args... args) {
  Body::template run<Avx512>(args...);
}
#endif

/// Body::run<Isa>(args...) with the best instruction set of this processor.
template <class Body, class... Args>
void dispatch(Args... args) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return run_avx512<Body>(args...);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return run_avx2<Body>(args...);
  }
#endif
  run_baseline<Body>(args...);
}

}  // namespace simd
