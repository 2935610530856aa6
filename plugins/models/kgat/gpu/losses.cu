// The two losses (equations 1, 2, 12, 13) and the gradients that are theirs alone: a warp a sample,
// or a row.
#include "gpu/launch.h"

namespace kgat::gpu {
namespace {

__device__ double softplus(double x) { return fmax(x, 0.0) + log1p(exp(-fabs(x))); }

__device__ const float* row_of(const CfForward& work, std::int32_t row) {
  return work.vectors + static_cast<std::int64_t>(row) * work.width;
}

__global__ void cf_forward_kernel(CfForward work) {
  const std::int64_t b = warp_index();
  if (b >= work.batch) return;
  const float *u = row_of(work, work.users[b]), *i = row_of(work, work.positives[b]),
              *j = row_of(work, work.negatives[b]);
  double difference = 0, squares = 0;
  for (int c = lane_of(); c < work.width; c += kWarp) {
    const double uc = u[c], ic = i[c], jc = j[c];
    difference += uc * (ic - jc);
    squares += uc * uc + ic * ic + jc * jc;
  }
  difference = warp_sum(difference);
  squares = warp_sum(squares);
  if (lane_of() != 0) return;
  work.coefficients[b] = static_cast<float>(-1.0 / (1.0 + exp(difference)));
  work.losses[b] = softplus(-difference) + work.lambda * 0.5 * squares;
}

/// A row meets several samples of a batch: they are added in the batch's order.
__global__ void cf_backward_kernel(CfBackward work) {
  const CfForward& loss = work.forward;
  const std::int64_t row = warp_index();
  if (row >= work.n_rows) return;
  const float factor = *work.factor, decay = static_cast<float>(loss.lambda) * factor;
  const std::int32_t begin = work.offsets[row], end = work.offsets[row + 1];
  const float* own = row_of(loss, static_cast<std::int32_t>(row));
  for (int c = lane_of(); c < loss.width; c += kWarp) {
    float sum = 0;
    for (std::int32_t at = begin; at < end; ++at) {
      const std::int32_t b = work.occurrences[at] / 3, role = work.occurrences[at] % 3;
      const float slope = loss.coefficients[b] * factor;
      float along;
      if (role == 0) {
        along = row_of(loss, loss.positives[b])[c] - row_of(loss, loss.negatives[b])[c];
      } else {
        along = row_of(loss, loss.users[b])[c];
        if (role == 2) along = -along;
      }
      sum += slope * along + decay * own[c];
    }
    work.gradients[row * loss.width + c] = sum;
  }
}

/// Equation 2 of one sample; the projections become their gradients.
__global__ void kg_rows_kernel(KgRows work) {
  const std::int64_t b = warp_index();
  if (b >= work.batch) return;
  float* head = work.projected + 3 * b * work.k;
  float *positive = head + work.k, *negative = positive + work.k;
  const float* relation = work.relations + static_cast<std::int64_t>(work.relation_of[b]) * work.k;
  double difference = 0, squares = 0;
  for (int c = lane_of(); c < work.k; c += kWarp) {
    const float moved = head[c] + relation[c];
    const double near = moved - positive[c], far = moved - negative[c];
    const double h = head[c], r = relation[c], t = positive[c], other = negative[c];
    difference += near * near - far * far;
    squares += h * h + r * r + t * t + other * other;
  }
  difference = warp_sum(difference);
  squares = warp_sum(squares);
  const auto slope = static_cast<float>(2.0 / (1.0 + exp(-difference)));
  const auto decay = static_cast<float>(work.lambda);
  for (int c = lane_of(); c < work.k; c += kWarp) {
    const float moved = head[c] + relation[c];
    const float x = slope * (moved - positive[c]), y = slope * (moved - negative[c]);
    work.relation_rows[b * work.k + c] = (x - y) + decay * relation[c];
    head[c] = (x - y) + decay * head[c];
    positive[c] = decay * positive[c] - x;
    negative[c] = decay * negative[c] + y;
  }
  if (lane_of() == 0) work.losses[b] = softplus(difference) + work.lambda * 0.5 * squares;
}

}  // namespace

const char* cf_forward(const CfForward& work, Stream stream) {
  if (work.batch == 0) return nullptr;
  KGAT_LAUNCH(cf_forward_kernel, blocks_for(work.batch, kRowWarps), kRowWarps * kWarp, stream,
              work);
  return launched();
}

const char* cf_backward(const CfBackward& work, Stream stream) {
  if (work.n_rows == 0) return nullptr;
  KGAT_LAUNCH(cf_backward_kernel, blocks_for(work.n_rows, kRowWarps), kRowWarps * kWarp, stream,
              work);
  return launched();
}

const char* kg_rows(const KgRows& work, Stream stream) {
  if (work.batch == 0) return nullptr;
  KGAT_LAUNCH(kg_rows_kernel, blocks_for(work.batch, kRowWarps), kRowWarps * kWarp, stream, work);
  return launched();
}

}  // namespace kgat::gpu
