// Small matrix products on blocks that stay in the cache.
#pragma once

#include "simd/vectors.h"

namespace simd {

/// A read-only matrix: element (m, k) is at data[m * row + k * column]. With row = 1 it is read
/// transposed.
struct Strided {
  const float* data;
  std::ptrdiff_t row, column;
};

template <class Isa, int kRows, int kVectors>
SIMD_INLINE void gemm_tile(std::ptrdiff_t depth, Strided a, const float* b, std::ptrdiff_t ldb,
                           float* c, std::ptrdiff_t ldc) {
  constexpr int kLanes = Isa::kLanes;
  typename Isa::F sums[kRows][kVectors];
  SIMD_UNROLL for (int m = 0; m < kRows; ++m) {
    SIMD_UNROLL for (int v = 0; v < kVectors; ++v) sums[m][v] = load<Isa>(c + m * ldc + v * kLanes);
  }
  for (std::ptrdiff_t k = 0; k < depth; ++k) {
    typename Isa::F row[kVectors];
    SIMD_UNROLL for (int v = 0; v < kVectors; ++v) row[v] = load<Isa>(b + k * ldb + v * kLanes);
    SIMD_UNROLL for (int m = 0; m < kRows; ++m) {
      const float factor = a.data[m * a.row + k * a.column];
      SIMD_UNROLL for (int v = 0; v < kVectors; ++v) sums[m][v] += factor * row[v];
    }
  }
  SIMD_UNROLL for (int m = 0; m < kRows; ++m) {
    SIMD_UNROLL for (int v = 0; v < kVectors; ++v) store<Isa>(c + m * ldc + v * kLanes, sums[m][v]);
  }
}

template <class Isa, int kVectors>
SIMD_INLINE void gemm_panel(std::ptrdiff_t rows, std::ptrdiff_t depth, Strided a, const float* b,
                            std::ptrdiff_t ldb, float* c, std::ptrdiff_t ldc) {
  std::ptrdiff_t m = 0;
  for (; m + Isa::kTileRows <= rows; m += Isa::kTileRows) {
    const Strided tile{a.data + m * a.row, a.row, a.column};
    gemm_tile<Isa, Isa::kTileRows, kVectors>(depth, tile, b, ldb, c + m * ldc, ldc);
  }
  for (; m + 2 <= rows; m += 2) {
    const Strided tile{a.data + m * a.row, a.row, a.column};
    gemm_tile<Isa, 2, kVectors>(depth, tile, b, ldb, c + m * ldc, ldc);
  }
  for (; m < rows; ++m) {
    const Strided tile{a.data + m * a.row, a.row, a.column};
    gemm_tile<Isa, 1, kVectors>(depth, tile, b, ldb, c + m * ldc, ldc);
  }
}

/// c [rows, columns] += a [rows, depth] · b [depth, columns]; `columns` is a multiple of kPad.
/// Each element is summed over the depth in order, whatever the shapes.
template <class Isa>
SIMD_INLINE void gemm(std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t depth, Strided a,
                      const float* b, std::ptrdiff_t ldb, float* c, std::ptrdiff_t ldc) {
  constexpr std::ptrdiff_t kWide = Isa::kTileVectors * Isa::kLanes;
  std::ptrdiff_t n = 0;
  for (; n + kWide <= columns; n += kWide) {
    gemm_panel<Isa, Isa::kTileVectors>(rows, depth, a, b + n, ldb, c + n, ldc);
  }
  for (; n + kWide / 2 <= columns; n += kWide / 2) {
    gemm_panel<Isa, Isa::kTileVectors / 2>(rows, depth, a, b + n, ldb, c + n, ldc);
  }
  for (; n < columns; n += Isa::kLanes) {
    gemm_panel<Isa, 1>(rows, depth, a, b + n, ldb, c + n, ldc);
  }
}

}  // namespace simd
