// The sparse product, forward and backward (equation 3): sums of rows, without atomics.
//
// A warp sums a row. Its lanes read 32 edges at once, keep those whose tail is in the columns, and
// then groups of kLanes lanes read one row of x each, kVector columns a lane: with 64 columns two
// edges at a time, 128 bits a lane. The groups' sums are added at the end, in one order. A row of
// more than kSegment edges is cut into segments, summed by warps of their own before all others
// (so that hubs do not end last), and added in their order.
#include "gpu/launch.h"

namespace kgat::gpu {
namespace {

__global__ void clear_positions(Positions work) {
  const std::int64_t i = thread_index();
  if (i < work.n_nodes) work.positions[i] = -1;
}

__global__ void set_positions(Positions work) {
  const std::int64_t i = thread_index();
  if (i < work.size) work.positions[work.nodes[i]] = static_cast<std::int32_t>(i);
}

/// The edges that a warp has at hand.
struct Edges {
  std::int32_t rows[kWarp];
  float weights[kWarp];
};

template <int kVector>
struct Vector;
template <>
struct Vector<1> {
  float value[1];
  __device__ static Vector load(const float* from) { return {{*from}}; }
  __device__ void store(float* to) const { *to = value[0]; }
};
template <>
struct Vector<4> {
  float value[4];
  __device__ static Vector load(const float* from) {
    const float4 loaded = *reinterpret_cast<const float4*>(from);
    return {{loaded.x, loaded.y, loaded.z, loaded.w}};
  }
  __device__ void store(float* to) const {
    *reinterpret_cast<float4*>(to) = make_float4(value[0], value[1], value[2], value[3]);
  }
};

/// The sum over the edges [begin, end) of columns [column, column + kVector), in every lane of
/// those columns. Lanes beyond the width take part, and read nothing.
template <int kVector, int kLanes>
__device__ Vector<kVector> sum_edges(const SparseProduct& work, std::int32_t begin,
                                     std::int32_t end, std::int32_t column, Edges& edges) {
  constexpr int kGroups = kWarp / kLanes;
  const int lane = lane_of(), group = lane / kLanes;
  const float* x = work.x + column;
  const bool inside = column < work.width;
  Vector<kVector> sum{};
  for (std::int32_t base = begin; base < end; base += kWarp) {
    const std::int32_t edge = base + lane;
    std::int32_t row = -1;
    if (edge < end) {
      row = work.tails[edge];
      if (work.columns != nullptr) row = work.columns[row];
    }
    const unsigned present = __ballot_sync(kAllLanes, row >= 0);
    if (row >= 0) {
      const int place = __popc(present & ((1U << lane) - 1U));
      edges.rows[place] = row;
      edges.weights[place] = work.values[edge];
    }
    __syncwarp();
    const int count = __popc(present);
    if (inside) {
      KGAT_UNROLL_4 for (int i = group; i < count; i += kGroups) {
        const std::int64_t at = static_cast<std::int64_t>(edges.rows[i]) * work.width;
        const auto values = Vector<kVector>::load(x + at);
        const float weight = edges.weights[i];
        for (int v = 0; v < kVector; ++v) sum.value[v] += weight * values.value[v];
      }
    }
    __syncwarp();
  }
  for (int offset = kLanes; offset < kWarp; offset *= 2) {
    for (int v = 0; v < kVector; ++v) {
      sum.value[v] += __shfl_xor_sync(kAllLanes, sum.value[v], offset);
    }
  }
  return sum;
}

template <int kVector, int kLanes>
__global__ void __launch_bounds__(kRowWarps* kWarp) sparse_rows(SparseProduct work) {
  __shared__ Edges shared[kRowWarps];
  Edges& edges = shared[threadIdx.x / kWarp];
  const int lane = lane_of();
  const auto column =
      static_cast<std::int32_t>(blockIdx.y) * kVector * kLanes + lane % kLanes * kVector;
  const bool writes = lane < kLanes && column < work.width;
  const std::int64_t place = warp_index();
  const Rows& rows = work.rows;

  if (place < rows.n_segments) {
    const std::int32_t owner = rows.segment_owner[place];
    const std::int32_t row = rows.long_rows[owner];
    const std::int64_t node = rows.nodes != nullptr ? rows.nodes[row] : row;
    const std::int32_t begin =
        work.offsets[node] +
        (static_cast<std::int32_t>(place) - rows.first_segment[owner]) * kSegment;
    const std::int32_t last = work.offsets[node + 1];
    const std::int32_t end = last - begin > kSegment ? begin + kSegment : last;
    const auto sum = sum_edges<kVector, kLanes>(work, begin, end, column, edges);
    if (writes) sum.store(work.partial + place * work.width + column);
    return;
  }
  const std::int64_t row = place - rows.n_segments;
  if (row >= rows.size) return;
  const std::int64_t node = rows.nodes != nullptr ? rows.nodes[row] : row;
  const std::int32_t begin = work.offsets[node], end = work.offsets[node + 1];
  if (end - begin > kSegment) return;
  auto sum = sum_edges<kVector, kLanes>(work, begin, end, column, edges);
  if (!writes) return;
  float* out = work.out + row * work.width + column;
  if (work.add) {
    const auto before = Vector<kVector>::load(out);
    for (int v = 0; v < kVector; ++v) sum.value[v] += before.value[v];
  }
  sum.store(out);
}

/// A block a long row: its segments in their order.
__global__ void add_segments(SparseProduct work) {
  const std::int32_t owner = static_cast<std::int32_t>(blockIdx.x);
  const std::int32_t begin = work.rows.first_segment[owner],
                     end = work.rows.first_segment[owner + 1];
  const std::int64_t row = work.rows.long_rows[owner];
  for (auto c = static_cast<std::int32_t>(threadIdx.x); c < work.width;
       c += static_cast<std::int32_t>(blockDim.x)) {
    float sum = 0;
    KGAT_UNROLL_8 for (std::int32_t s = begin; s < end; ++s) {
      sum += work.partial[static_cast<std::int64_t>(s) * work.width + c];
    }
    float* out = work.out + row * work.width + c;
    *out = work.add ? *out + sum : sum;
  }
}

template <int kVector, int kLanes>
const char* run_rows(const SparseProduct& work, Stream stream) {
  const std::int64_t warps = static_cast<std::int64_t>(work.rows.size) + work.rows.n_segments;
  const dim3 grid(blocks_for(warps, kRowWarps), blocks_for(work.width, kVector * kLanes));
  KGAT_LAUNCH((sparse_rows<kVector, kLanes>), grid, kRowWarps * kWarp, stream, work);
  return launched();
}

template <int kVector>
const char* run_width(const SparseProduct& work, Stream stream) {
  if (work.width <= 4 * kVector) return run_rows<kVector, 4>(work, stream);
  if (work.width <= 8 * kVector) return run_rows<kVector, 8>(work, stream);
  if (work.width <= 16 * kVector) return run_rows<kVector, 16>(work, stream);
  return run_rows<kVector, 32>(work, stream);
}

bool fits_vectors(const SparseProduct& work) {
  const auto aligned = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  return work.width % 4 == 0 && aligned(work.x) && aligned(work.out) && aligned(work.partial);
}

__global__ void sum_occurrences(SumRows work) {
  const std::int64_t row = warp_index();
  if (row >= work.n_rows) return;
  const std::int32_t begin = work.offsets[row], end = work.offsets[row + 1];
  for (int c = lane_of(); c < work.width; c += kWarp) {
    float sum = 0;
    for (std::int32_t i = begin; i < end; ++i) {
      sum += work.rows[static_cast<std::int64_t>(work.occurrences[i]) * work.width + c];
    }
    work.out[row * work.width + c] = sum;
  }
}

}  // namespace

const char* positions(const Positions& work, Stream stream) {
  if (work.n_nodes == 0) return nullptr;
  KGAT_LAUNCH(clear_positions, blocks_for(work.n_nodes, kThreads), kThreads, stream, work);
  if (work.size > 0) {
    KGAT_LAUNCH(set_positions, blocks_for(work.size, kThreads), kThreads, stream, work);
  }
  return launched();
}

const char* sparse_product(const SparseProduct& work, Stream stream) {
  if (work.rows.size == 0) return nullptr;
  const char* error = fits_vectors(work) ? run_width<4>(work, stream) : run_width<1>(work, stream);
  if (error != nullptr || work.rows.n_long == 0) return error;
  const int threads = work.width > 64 ? 128 : 64;
  KGAT_LAUNCH(add_segments, static_cast<unsigned>(work.rows.n_long), threads, stream, work);
  return launched();
}

const char* sum_rows(const SumRows& work, Stream stream) {
  if (work.n_rows == 0) return nullptr;
  KGAT_LAUNCH(sum_occurrences, blocks_for(work.n_rows, kRowWarps), kRowWarps * kWarp, stream, work);
  return launched();
}

}  // namespace kgat::gpu
