#include "trainhost/crc32.h"

#include <immintrin.h>
#include <zlib.h>

namespace trainhost {
namespace {

std::uint32_t by_zlib(const void* data, std::int64_t bytes, std::uint32_t before) {
  return static_cast<std::uint32_t>(
      crc32_z(before, static_cast<const Bytef*>(data), static_cast<z_size_t>(bytes)));
}

// Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel
// 2009: a block of 128 bits is moved D bits ahead by two products with x^(D+32) and x^(D-32) mod P,
// bit-reflected. Four blocks side by side hide the multiplier's latency.
constexpr std::int64_t kBlock = 16, kStride = 4 * kBlock;
constexpr long long kAhead512Low = 0x154442bd4, kAhead512High = 0x1c6e41596;
constexpr long long kAhead128Low = 0x1751997d0, kAhead128High = 0x0ccaa009e;

__attribute__((target("pclmul,sse4.1"))) inline __m128i ahead(__m128i block, __m128i factors) {
  return _mm_xor_si128(_mm_clmulepi64_si128(block, factors, 0x00),
                       _mm_clmulepi64_si128(block, factors, 0x11));
}

/// `bytes`: at least one stride.
__attribute__((target("pclmul,sse4.1"))) std::uint32_t by_folding(const void* data,
                                                                  std::int64_t bytes,
                                                                  std::uint32_t before) {
  const auto* next = static_cast<const __m128i*>(data);
  __m128i lanes[4];
#pragma GCC unroll 4
  for (__m128i& lane : lanes) lane = _mm_loadu_si128(next++);
  // The CRC of what precedes is added to the first 32 bits; zlib's are inverted.
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(~before)));
  const __m128i by_512 = _mm_set_epi64x(kAhead512High, kAhead512Low);
  for (bytes -= kStride; bytes >= kStride; bytes -= kStride) {
#pragma GCC unroll 4
    for (__m128i& lane : lanes) lane = _mm_xor_si128(ahead(lane, by_512), _mm_loadu_si128(next++));
  }
  const __m128i by_128 = _mm_set_epi64x(kAhead128High, kAhead128Low);
  __m128i rest = lanes[0];
#pragma GCC unroll 4
  for (int lane = 1; lane < 4; ++lane) rest = _mm_xor_si128(ahead(rest, by_128), lanes[lane]);
  // What is left has the CRC of all that was folded into it, if nothing precedes it.
  constexpr std::uint32_t kNothing = 0xffffffff;
  return by_zlib(next, bytes, by_zlib(&rest, kBlock, kNothing));
}

}  // namespace

std::uint32_t crc32_of(const void* data, std::int64_t bytes, std::uint32_t before) {
  static const bool folds = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (bytes == 0) return before;  // an empty tensor has no address, which zlib takes for a start
  return folds && bytes >= kStride ? by_folding(data, bytes, before) : by_zlib(data, bytes, before);
}

}  // namespace trainhost
