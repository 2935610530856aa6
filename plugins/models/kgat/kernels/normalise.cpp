#include <cmath>

#include "kernels/layer.h"

namespace kgat {
namespace {

constexpr float kSmallestNorm = 1e-12F;

float norm_of(const float* row, std::ptrdiff_t columns) {
  double sum = 0;
  for (std::ptrdiff_t c = 0; c < columns; ++c) sum += double{row[c]} * row[c];
  return static_cast<float>(std::sqrt(sum));
}

}  // namespace

void normalise_rows(const Level& level, const Level& batch, const float* y, std::ptrdiff_t columns,
                    float* z) {
#pragma omp parallel for schedule(static)
  for (std::int32_t i = 0; i < batch.size; ++i) {
    const float* from = y + std::ptrdiff_t{level.row(batch.node(i))} * columns;
    const float factor = 1.0F / std::max(norm_of(from, columns), kSmallestNorm);
    float* to = z + std::ptrdiff_t{i} * columns;
    for (std::ptrdiff_t c = 0; c < columns; ++c) to[c] = from[c] * factor;
  }
}

void normalise_rows_backward(const Level& level, const Level& batch, const float* y,
                             const float* gz, std::ptrdiff_t columns, float* gy) {
#pragma omp parallel for schedule(static)
  for (std::int32_t i = 0; i < batch.size; ++i) {
    const std::ptrdiff_t at = std::ptrdiff_t{level.row(batch.node(i))} * columns;
    const float* row = y + at;
    const float* g = gz + std::ptrdiff_t{i} * columns;
    const float norm = norm_of(row, columns);
    const float factor = 1.0F / std::max(norm, kSmallestNorm);
    // With z = y / |y|: dy = (dz - z (z · dz)) / |y|; below the smallest norm the divisor is fixed.
    double along = 0;
    if (norm > kSmallestNorm) {
      for (std::ptrdiff_t c = 0; c < columns; ++c) along += double{row[c]} * g[c];
      along *= double{factor} * factor;
    }
    for (std::ptrdiff_t c = 0; c < columns; ++c) {
      gy[at + c] += (g[c] - static_cast<float>(along) * row[c]) * factor;
    }
  }
}

}  // namespace kgat
