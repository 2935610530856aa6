// What the kernels are written in: CUDA where nvcc compiles them; elsewhere a machine without a GPU
// runs the same bodies, thread by thread (tests/models/kgat/gpu/emulation.h).
#pragma once

#include <cstdint>

#include "gpu/launches.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>

#define KGAT_LAUNCH(kernel, blocks, threads, stream, ...) \
  kernel<<<(blocks), (threads), 0, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
#define KGAT_UNROLL_4 _Pragma("unroll 4")
#define KGAT_UNROLL_8 _Pragma("unroll 8")
#else
#include "emulation.h"
#endif

namespace kgat::gpu {

inline const char* launched() {
  const cudaError_t code = cudaGetLastError();
  return code == cudaSuccess ? nullptr : cudaGetErrorString(code);
}

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;
inline constexpr int kWarp = 32;
/// Warps of a block where each warp works on a row of its own: few, since a block stays until its
/// longest row is done.
inline constexpr int kRowWarps = 4;
inline constexpr int kThreads = 256;

inline unsigned blocks_for(std::int64_t size, int per_block) {
  return static_cast<unsigned>((size + per_block - 1) / per_block);
}

__device__ inline int lane_of() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ inline std::int64_t thread_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t warp_index() { return thread_index() / kWarp; }

/// The sum over the lanes of a warp, the same bits in each.
template <class T>
__device__ T warp_sum(T value) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, offset);
  }
  return value;
}

/// The row of row `row` of a set of nodes in another set; null pointers stand for all nodes.
__device__ inline std::int64_t row_in(const std::int32_t* nodes, const std::int32_t* positions,
                                      std::int64_t row) {
  const std::int64_t node = nodes != nullptr ? nodes[row] : row;
  return positions != nullptr ? positions[node] : node;
}

}  // namespace kgat::gpu
