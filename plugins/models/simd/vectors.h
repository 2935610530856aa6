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
template <class Isa>
SIMD_INLINE typename Isa::F splat(float value) {
  return typename Isa::F{} + value;
}

/// The dot product of two rows of `columns` floats (a multiple of kPad).
template <class Isa>
SIMD_INLINE float dot(const float* left, const float* right, std::ptrdiff_t columns) {
  typename Isa::F sums{};
  for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
    sums += load<Isa>(left + c) * load<Isa>(right + c);
  }
  alignas(64) float lanes[Isa::kLanes];
  store<Isa>(lanes, sums);
  for (int width = Isa::kLanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
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
