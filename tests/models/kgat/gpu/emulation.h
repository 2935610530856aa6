// CUDA's language on a CPU, enough for KGAT's kernels: a grid of blocks whose threads are fibers.
//
// Purpose: the bodies that nvcc compiles are run, and looked at, where there is no GPU. A thread of
// a block runs until it waits (a barrier, an exchange between lanes), then the next one does; so
// shared memory is one block's at a time, and an exchange that not all lanes of a warp reach, which
// would hang or give anything on a GPU, is an error of the launch. Slow; correctness only. What it
// cannot see: races between threads that no barrier orders, and all that concerns speed. Threads:
// each has a grid of its own.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define KGAT_UNROLL_4
#define KGAT_UNROLL_8
#define KGAT_LAUNCH(kernel, blocks, threads, stream, ...) \
  emulation::launch((blocks), (threads), [&] { kernel(__VA_ARGS__); }, (stream))

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

using cudaError_t = int;
inline constexpr cudaError_t cudaSuccess = 0;

namespace emulation {

struct Place {
  dim3 thread, block, block_size, grid;
};
/// Where the running fiber is.
extern thread_local Place place;

void launch(dim3 blocks, dim3 threads, const std::function<void()>& kernel, void* stream);
/// Waits for all threads of the block, or all lanes of the warp.
void wait_for_block();
void wait_for_warp();
/// A place for the value that a lane shows to the others of its warp.
std::uint64_t& shown(int lane);
cudaError_t take_error();

template <class T>
T exchange(T value, int from) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::memcpy(&shown(static_cast<int>(place.thread.x) % 32), &value, sizeof(T));
  wait_for_warp();
  T out;
  std::memcpy(&out, &shown(from), sizeof(T));
  wait_for_warp();
  return out;
}

}  // namespace emulation

#define threadIdx (emulation::place.thread)
#define blockIdx (emulation::place.block)
#define blockDim (emulation::place.block_size)

inline cudaError_t cudaGetLastError() { return emulation::take_error(); }
inline const char* cudaGetErrorString(cudaError_t) {
  return "not all threads reached a barrier, or not all lanes an exchange";
}
inline void __syncthreads() { emulation::wait_for_block(); }
inline void __syncwarp() { emulation::wait_for_warp(); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulation::exchange(value, (static_cast<int>(threadIdx.x) % 32) ^ mask);
}
inline unsigned __ballot_sync(unsigned, bool vote) {
  emulation::shown(static_cast<int>(threadIdx.x) % 32) = vote ? 1 : 0;
  emulation::wait_for_warp();
  unsigned out = 0;
  for (int lane = 0; lane < 32; ++lane) {
    out |= (emulation::shown(lane) != 0 ? 1U : 0U) << lane;
  }
  emulation::wait_for_warp();
  return out;
}
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline std::int32_t atomicAdd(std::int32_t* at, std::int32_t value) {
  const std::int32_t before = *at;
  *at += value;
  return before;
}
