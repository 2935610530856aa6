#include <cmath>

#include "kernels/losses.h"

namespace kgat {
namespace {

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

const float* row_of(const float* part, std::int32_t row, std::int32_t width) {
  return part + std::ptrdiff_t{row} * width;
}

}  // namespace

double cf_loss_forward(const CfRows& batch, std::span<const float* const> parts,
                       std::span<const std::int32_t> widths, double lambda, float* coefficients) {
  const auto size = static_cast<std::int64_t>(batch.users.size());
  std::vector<double> losses(batch.users.size());
#pragma omp parallel for schedule(static)
  for (std::int64_t b = 0; b < size; ++b) {
    const auto at = static_cast<std::size_t>(b);
    double difference = 0, squares = 0;
    for (std::size_t l = 0; l < parts.size(); ++l) {
      const float* u = row_of(parts[l], batch.users[at], widths[l]);
      const float* i = row_of(parts[l], batch.positives[at], widths[l]);
      const float* j = row_of(parts[l], batch.negatives[at], widths[l]);
      for (std::int32_t c = 0; c < widths[l]; ++c) {
        difference += double{u[c]} * (double{i[c]} - j[c]);
        squares += double{u[c]} * u[c] + double{i[c]} * i[c] + double{j[c]} * j[c];
      }
    }
    coefficients[at] = static_cast<float>(-1.0 / (1.0 + std::exp(difference)));
    losses[at] = softplus(-difference) + lambda * 0.5 * squares;
  }
  double sum = 0;
  for (const double loss : losses) sum += loss;
  return sum;
}

void cf_loss_backward(const CfRows& batch, std::span<const float* const> parts,
                      std::span<const std::int32_t> widths, double lambda, float factor,
                      const float* coefficients, std::int32_t n_rows,
                      std::span<float* const> gradients) {
  const auto decay = static_cast<float>(lambda) * factor;
  const auto n_parts = static_cast<std::int32_t>(parts.size());
  // A part is one thread's: rows meet several times in a batch, and are summed in its order.
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int32_t l = 0; l < n_parts; ++l) {
    const auto at = static_cast<std::size_t>(l);
    const std::int32_t width = widths[at];
    float* gradient = gradients[at];
    std::fill(gradient, gradient + std::ptrdiff_t{n_rows} * width, 0.0F);
    for (std::size_t b = 0; b < batch.users.size(); ++b) {
      const float* u = row_of(parts[at], batch.users[b], width);
      const float* i = row_of(parts[at], batch.positives[b], width);
      const float* j = row_of(parts[at], batch.negatives[b], width);
      float* gu = gradient + std::ptrdiff_t{batch.users[b]} * width;
      float* gi = gradient + std::ptrdiff_t{batch.positives[b]} * width;
      float* gj = gradient + std::ptrdiff_t{batch.negatives[b]} * width;
      const float slope = coefficients[b] * factor;
      for (std::int32_t c = 0; c < width; ++c) {
        gu[c] += slope * (i[c] - j[c]) + decay * u[c];
        gi[c] += slope * u[c] + decay * i[c];
        gj[c] += decay * j[c] - slope * u[c];
      }
    }
  }
}

}  // namespace kgat
