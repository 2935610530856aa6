// The attention of all edges (equations 4 and 5), without gradient: a dot product an edge with the
// query of its (head, relation), and the softmax over the edges of a head.
#include "gpu/launch.h"

namespace kgat::gpu {
namespace {

/// Lanes that make one dot product together.
constexpr int kDotLanes = 8;

__global__ void edge_logits_kernel(EdgeLogits work) {
  const std::int64_t edge = thread_index() / kDotLanes;
  const int part = static_cast<int>(threadIdx.x) % kDotLanes;
  float sum = 0;
  if (edge < work.n_edges) {  // lanes without an edge take part in the exchange below
    const float* tail = work.table + static_cast<std::int64_t>(work.tails[edge]) * work.width;
    const float* query = work.queries + static_cast<std::int64_t>(work.query_of[edge]) * work.width;
    KGAT_UNROLL_8 for (int c = part; c < work.width; c += kDotLanes) sum += tail[c] * query[c];
  }
  for (int offset = kDotLanes / 2; offset > 0; offset /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, offset);
  }
  if (edge < work.n_edges && part == 0) work.logits[edge] = sum;
}

struct Largest {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Sum {
  __device__ double operator()(double a, double b) const { return a + b; }
};

/// The values of a warp's lanes, or of all threads of a block of kWarps, combined in one order.
template <int kWarps, class Operation, class T>
__device__ T over_group(Operation combined, T value, T* shared) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = combined(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  if constexpr (kWarps > 1) {
    if (lane_of() == 0) shared[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = shared[0];
    for (int warp = 1; warp < kWarps; ++warp) value = combined(value, shared[warp]);
    __syncthreads();
  }
  return value;
}

/// The softmax of values[begin .. end) by kWarps warps.
template <int kWarps>
__device__ void softmax(float* values, std::int64_t begin, std::int64_t end) {
  __shared__ float largest_of[kWarps];
  __shared__ double sum_of[kWarps];
  const int first = kWarps > 1 ? static_cast<int>(threadIdx.x) : lane_of();
  constexpr int kStep = kWarps * kWarp;
  float largest = -INFINITY;
  for (std::int64_t e = begin + first; e < end; e += kStep) {
    largest = fmaxf(largest, values[e]);
  }
  largest = over_group<kWarps>(Largest{}, largest, largest_of);
  double sum = 0;
  for (std::int64_t e = begin + first; e < end; e += kStep) {
    values[e] = expf(values[e] - largest);
    sum += values[e];
  }
  const auto factor = static_cast<float>(1.0 / over_group<kWarps>(Sum{}, sum, sum_of));
  for (std::int64_t e = begin + first; e < end; e += kStep) values[e] *= factor;
}

__global__ void short_rows(RowSoftmax work) {
  const std::int64_t node = warp_index();
  if (node >= work.n_nodes) return;
  const std::int64_t begin = work.offsets[node], end = work.offsets[node + 1];
  if (begin == end || end - begin > kSegment) return;
  softmax<1>(work.values, begin, end);
}

__global__ void long_rows(RowSoftmax work) {
  const std::int64_t node = work.long_rows[blockIdx.x];
  softmax<kThreads / kWarp>(work.values, work.offsets[node], work.offsets[node + 1]);
}

}  // namespace

const char* edge_logits(const EdgeLogits& work, Stream stream) {
  if (work.n_edges == 0) return nullptr;
  KGAT_LAUNCH(edge_logits_kernel, blocks_for(work.n_edges, kThreads / kDotLanes), kThreads, stream,
              work);
  return launched();
}

const char* row_softmax(const RowSoftmax& work, Stream stream) {
  if (work.n_nodes == 0) return nullptr;
  KGAT_LAUNCH(short_rows, blocks_for(work.n_nodes, kRowWarps), kRowWarps * kWarp, stream, work);
  if (work.n_long > 0) {
    KGAT_LAUNCH(long_rows, static_cast<unsigned>(work.n_long), kThreads, stream, work);
  }
  return launched();
}

}  // namespace kgat::gpu
