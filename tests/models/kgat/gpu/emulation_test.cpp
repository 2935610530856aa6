// The emulation itself: it must see what it is there to see.
#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

#include "gpu/launch.h"

namespace {

using kgat::gpu::kAllLanes;

__global__ void sum_of_block(const std::vector<int>& values, int& out, int& warps) {
  __shared__ int partial[8];
  const int thread = static_cast<int>(threadIdx.x);
  const int sum = kgat::gpu::warp_sum(values[static_cast<std::size_t>(thread)]);
  if (thread % 32 == 0) {
    partial[thread / 32] = sum;
    atomicAdd(&warps, 1);
  }
  __syncthreads();
  if (thread == 0) out = std::accumulate(partial, partial + blockDim.x / 32, 0);
}

TEST_CASE("emulation: lanes exchange, warps meet, blocks come one after the other") {
  std::vector<int> values(256);
  std::iota(values.begin(), values.end(), 1);
  int out = 0, warps = 0;
  KGAT_LAUNCH(sum_of_block, 3, 256, nullptr, values, out, warps);
  CHECK(kgat::gpu::launched() == nullptr);
  CHECK(out == 256 * 257 / 2);
  CHECK(warps == 3 * 8);
}

__global__ void half_a_barrier() {
  if (threadIdx.x < 32) __syncthreads();
}
__global__ void half_an_exchange(unsigned& out) {
  if (threadIdx.x % 2 == 0) out = __ballot_sync(kAllLanes, true);
}

TEST_CASE("emulation: a barrier or an exchange that not all reach is an error") {
  KGAT_LAUNCH(half_a_barrier, 1, 64, nullptr);
  CHECK(kgat::gpu::launched() != nullptr);
  CHECK(kgat::gpu::launched() == nullptr);  // reported once
  unsigned out = 0;
  KGAT_LAUNCH(half_an_exchange, 1, 64, nullptr, out);
  CHECK(kgat::gpu::launched() != nullptr);
}

TEST_CASE("emulation: a vote has a bit for each lane") {
  unsigned out = 0;
  const auto vote = [&out] {
    const unsigned bits = __ballot_sync(kAllLanes, threadIdx.x % 3 == 0);
    if (threadIdx.x == 5) out = bits;
  };
  emulation::launch(1, 32, vote, nullptr);
  CHECK(out == 0x49249249U);
}

}  // namespace
