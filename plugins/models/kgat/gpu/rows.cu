// Rows of a level at the batch's nodes (equation 11): taken, normalised, and their gradients.
#include "gpu/launch.h"

namespace kgat::gpu {
namespace {

constexpr float kSmallestNorm = 1e-12F;

__global__ void take_kernel(BatchRows work) {
  const std::int64_t i = thread_index();
  if (i >= static_cast<std::int64_t>(work.size) * work.width) return;
  const std::int64_t row = i / work.width, c = i - row * work.width;
  work.batch[i] = work.level[row_in(work.nodes, work.positions, row) * work.width + c];
}

/// The nodes of a batch are distinct, so no two threads meet.
__global__ void add_kernel(AddRows work) {
  const std::int64_t i = thread_index();
  if (i >= static_cast<std::int64_t>(work.size) * work.width) return;
  const std::int64_t row = i / work.width, c = i - row * work.width;
  work.level[row_in(work.nodes, work.positions, row) * work.width + c] += work.batch[i];
}

/// |row|, the same bits in each lane.
__device__ float norm_of(const float* row, std::int32_t width) {
  double sum = 0;
  for (int c = lane_of(); c < width; c += kWarp) sum += static_cast<double>(row[c]) * row[c];
  return static_cast<float>(sqrt(warp_sum(sum)));
}

__global__ void normalise_kernel(Normalise work) {
  const std::int64_t row = warp_index();
  if (row >= work.size) return;
  const float* y = work.level + row_in(work.nodes, work.positions, row) * work.width;
  const float factor = 1.0F / fmaxf(norm_of(y, work.width), kSmallestNorm);
  for (int c = lane_of(); c < work.width; c += kWarp) {
    work.batch[row * work.width + c] = y[c] * factor;
  }
}

/// With z = y / |y|: dy = (dz - z (z · dz)) / |y|; below the smallest norm the divisor is fixed.
__global__ void normalise_backward_kernel(NormaliseBackward work) {
  const AddRows& rows = work.rows;
  const std::int64_t row = warp_index();
  if (row >= rows.size) return;
  const std::int64_t at = row_in(rows.nodes, rows.positions, row) * rows.width;
  const float* y = work.y + at;
  const float* gz = rows.batch + row * rows.width;
  const float norm = norm_of(y, rows.width);
  const float factor = 1.0F / fmaxf(norm, kSmallestNorm);
  double along = 0;
  for (int c = lane_of(); c < rows.width; c += kWarp) along += static_cast<double>(y[c]) * gz[c];
  along = warp_sum(along) * factor * factor;
  if (!(norm > kSmallestNorm)) along = 0;
  for (int c = lane_of(); c < rows.width; c += kWarp) {
    rows.level[at + c] += (gz[c] - static_cast<float>(along) * y[c]) * factor;
  }
}

}  // namespace

const char* take_rows(const BatchRows& work, Stream stream) {
  const std::int64_t size = static_cast<std::int64_t>(work.size) * work.width;
  if (size == 0) return nullptr;
  KGAT_LAUNCH(take_kernel, blocks_for(size, kThreads), kThreads, stream, work);
  return launched();
}

const char* add_rows(const AddRows& work, Stream stream) {
  const std::int64_t size = static_cast<std::int64_t>(work.size) * work.width;
  if (size == 0) return nullptr;
  KGAT_LAUNCH(add_kernel, blocks_for(size, kThreads), kThreads, stream, work);
  return launched();
}

const char* normalise(const Normalise& work, Stream stream) {
  if (work.size == 0) return nullptr;
  KGAT_LAUNCH(normalise_kernel, blocks_for(work.size, kRowWarps), kRowWarps * kWarp, stream, work);
  return launched();
}

const char* normalise_backward(const NormaliseBackward& work, Stream stream) {
  if (work.rows.size == 0) return nullptr;
  KGAT_LAUNCH(normalise_backward_kernel, blocks_for(work.rows.size, kRowWarps), kRowWarps * kWarp,
              stream, work);
  return launched();
}

}  // namespace kgat::gpu
