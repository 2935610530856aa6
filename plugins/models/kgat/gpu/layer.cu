// What a layer does beside its sparse and dense products (equations 6 to 8): a thread an element,
// or eight columns where random numbers come in eights.
#include "gpu/launch.h"

namespace kgat::gpu {
namespace {

__global__ void combine_kernel(Combine work) {
  const std::int64_t i = thread_index();
  if (i >= static_cast<std::int64_t>(work.rows) * work.width) return;
  const std::int64_t row = i / work.width, c = i - row * work.width;
  const float e = work.x[row_in(work.nodes, work.in_positions, row) * work.width + c];
  const float n = work.neighbours[i];
  if (work.combination == Combination::kConcatenation) {
    work.in1[2 * row * work.width + c] = e;
    work.in1[(2 * row + 1) * work.width + c] = n;
    return;
  }
  work.in1[i] = e + n;
  if (work.combination == Combination::kBi) work.in2[i] = e * n;
}

__global__ void separate_kernel(Separate work) {
  const Combine& place = work.place;
  const std::int64_t i = thread_index();
  if (i >= static_cast<std::int64_t>(place.rows) * place.width) return;
  const std::int64_t row = i / place.width, c = i - row * place.width;
  const std::int64_t own = row_in(place.nodes, place.in_positions, row) * place.width + c;
  if (place.combination == Combination::kConcatenation) {
    work.gx[own] = work.g1[2 * row * place.width + c];
    work.g_neighbours[i] = work.g1[(2 * row + 1) * place.width + c];
  } else if (place.combination == Combination::kSum) {
    work.gx[own] = work.g_neighbours[i] = work.g1[i];
  } else {
    work.gx[own] = work.g1[i] + work.g2[i] * place.neighbours[i];
    work.g_neighbours[i] = work.g1[i] + work.g2[i] * place.x[own];
  }
}

/// Philox4x32-10 (trainhost/random.h gives the layout of counter and key).
__device__ void philox(std::uint32_t (&word)[4], std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t high0 = __umulhi(0xD2511F53U, word[0]), low0 = 0xD2511F53U * word[0];
    const std::uint32_t high2 = __umulhi(0xCD9E8D57U, word[2]), low2 = 0xCD9E8D57U * word[2];
    word[0] = high2 ^ word[1] ^ key0;
    word[1] = low2;
    word[2] = high0 ^ word[3] ^ key1;
    word[3] = low0;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
}

__device__ float leaky(float value, float slope) { return value > 0 ? value : value * slope; }

__global__ void activate_kernel(Activate work) {
  constexpr int kNumbers = 8;  // of 16 bits in a block of random numbers
  const std::int64_t groups = (work.width + kNumbers - 1) / kNumbers;
  const std::int64_t i = thread_index();
  if (i >= work.rows * groups) return;
  const std::int64_t row = i / groups;
  const auto draw = static_cast<std::int32_t>(i - row * groups);
  const std::int64_t node = work.nodes != nullptr ? work.nodes[row] : row;
  // Nodes are below 2^31, so the counter's high bits of the id are zero.
  std::uint32_t words[4] = {static_cast<std::uint32_t>(draw), static_cast<std::uint32_t>(node),
                            work.step, work.layer << 16};
  if (work.threshold > 0) philox(words, work.key[0], work.key[1]);
  for (int number = 0; number < kNumbers; ++number) {
    const int c = draw * kNumbers + number;
    if (c >= work.width) return;
    const std::uint32_t word = words[number / 2];
    const std::uint32_t drawn = number % 2 == 0 ? word & 0xFFFFU : word >> 16;
    const bool kept = work.threshold == 0 || drawn >= work.threshold;
    const std::int64_t at = row * work.width + c;
    const float p1 = work.p1[at] + work.b1[c];
    const float p2 = work.p2 != nullptr ? work.p2[at] + work.b2[c] : 0.0F;
    work.y[at] = kept ? (leaky(p1, work.slope) + leaky(p2, work.slope)) * work.scale : 0.0F;
    if (work.codes != nullptr) {
      work.codes[at] =
          static_cast<std::uint8_t>((p1 > 0 ? 1 : 0) | (p2 > 0 ? 2 : 0) | (kept ? 4 : 0));
    }
  }
}

__global__ void activate_backward_kernel(ActivateBackward work) {
  const std::int64_t i = thread_index();
  if (i >= work.size) return;
  const int code = work.codes[i];
  const float kept = (code & 4) != 0 ? work.gy[i] * work.scale : 0.0F;
  work.g1[i] = (code & 1) != 0 ? kept : kept * work.slope;
  if (work.g2 != nullptr) work.g2[i] = (code & 2) != 0 ? kept : kept * work.slope;
}

}  // namespace

const char* combine(const Combine& work, Stream stream) {
  const std::int64_t size = static_cast<std::int64_t>(work.rows) * work.width;
  if (size == 0) return nullptr;
  KGAT_LAUNCH(combine_kernel, blocks_for(size, kThreads), kThreads, stream, work);
  return launched();
}

const char* separate(const Separate& work, Stream stream) {
  const std::int64_t size = static_cast<std::int64_t>(work.place.rows) * work.place.width;
  if (size == 0) return nullptr;
  KGAT_LAUNCH(separate_kernel, blocks_for(size, kThreads), kThreads, stream, work);
  return launched();
}

const char* activate(const Activate& work, Stream stream) {
  const std::int64_t size = static_cast<std::int64_t>(work.rows) * ((work.width + 7) / 8);
  if (size == 0) return nullptr;
  KGAT_LAUNCH(activate_kernel, blocks_for(size, kThreads), kThreads, stream, work);
  return launched();
}

const char* activate_backward(const ActivateBackward& work, Stream stream) {
  if (work.size == 0) return nullptr;
  KGAT_LAUNCH(activate_backward_kernel, blocks_for(work.size, kThreads), kThreads, stream, work);
  return launched();
}

}  // namespace kgat::gpu
