// The best items of each user: a block a user, which finds the score of the last one kept by its
// digits (radix selection), takes what is above it, and sorts that.
//
// Of equal scores at the border the lower items are taken, in their order; the histograms count
// with integers: so the result depends on neither timing nor launch.
#include "gpu/launch.h"

namespace kgat::gpu {
namespace {

constexpr int kDigits = 256, kDigitBits = 8;
constexpr int kWarps = kThreads / kWarp;

struct Shared {
  std::int32_t histogram[kDigits];
  std::uint64_t best[kMostRanked];  // key, then the complement of the item: larger is better
  std::int32_t of_warp[kWarps];
  std::uint32_t border;  // the key of the last one kept
  std::int32_t wanted;   // how many with that key
  std::int32_t equal;    // how many there are
  std::int32_t found;
};

/// Ascending with the score, 0 for what is not ranked.
__device__ std::uint32_t key_of(float score) {
  if (!(score > -INFINITY)) return 0;
  const std::uint32_t bits = __float_as_uint(score + 0.0F);  // -0 equals 0
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

/// The digit in which the wanted-th largest key lies, by one thread.
__device__ void choose_digit(Shared& shared) {
  std::int32_t above = 0;
  int digit = kDigits - 1;
  while (digit > 0 && above + shared.histogram[digit] < shared.wanted) {
    above += shared.histogram[digit--];
  }
  shared.border = shared.border << kDigitBits | static_cast<std::uint32_t>(digit);
  shared.wanted -= above;
  shared.equal = shared.histogram[digit];
}

/// Sets border, wanted and equal. Fewer than `top` ranked items: border 0, which nothing has.
__device__ void select_border(const RankUsers& work, const float* scores, Shared& shared) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    shared.border = 0;
    shared.wanted = work.top;
    shared.found = 0;
  }
  for (int shift = 32 - kDigitBits; shift >= 0; shift -= kDigitBits) {
    for (int d = thread; d < kDigits; d += kThreads) shared.histogram[d] = 0;
    __syncthreads();
    const std::uint32_t border = shared.border;
    for (std::int32_t item = thread; item < work.n_items; item += kThreads) {
      const std::uint32_t key = key_of(scores[item]);
      const bool same = shift + kDigitBits >= 32 || key >> (shift + kDigitBits) == border;
      if (same) atomicAdd(&shared.histogram[key >> shift & (kDigits - 1)], 1);
    }
    __syncthreads();
    if (thread == 0) choose_digit(shared);
    __syncthreads();
  }
}

__device__ void keep(Shared& shared, std::int32_t place, std::uint32_t key, std::int32_t item) {
  shared.best[place] = static_cast<std::uint64_t>(key) << 32 | ~static_cast<std::uint32_t>(item);
}

/// What is above the border, in any order: it is sorted later.
__device__ void collect_above(const RankUsers& work, const float* scores, bool equal_too,
                              Shared& shared) {
  for (auto item = static_cast<std::int32_t>(threadIdx.x); item < work.n_items; item += kThreads) {
    const std::uint32_t key = key_of(scores[item]);
    if (key > shared.border || (equal_too && key == shared.border && key != 0)) {
      keep(shared, atomicAdd(&shared.found, 1), key, item);
    }
  }
  __syncthreads();
}

/// The first `wanted` items at the border.
__device__ void collect_equal(const RankUsers& work, const float* scores, Shared& shared) {
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
  const std::int32_t first = shared.found;
  std::int32_t before = 0;
  for (std::int32_t base = 0; base < work.n_items && before < shared.wanted; base += kThreads) {
    const std::int32_t item = base + thread;
    const bool equal = item < work.n_items && key_of(scores[item]) == shared.border;
    const unsigned votes = __ballot_sync(kAllLanes, equal);
    if (lane_of() == 0) shared.of_warp[warp] = __popc(votes);
    __syncthreads();
    std::int32_t place = before + __popc(votes & ((1U << lane_of()) - 1U));
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) place += shared.of_warp[w];
      before += shared.of_warp[w];
    }
    if (equal && place < shared.wanted) keep(shared, first + place, shared.border, item);
    __syncthreads();
  }
  if (thread == 0) shared.found = first + shared.wanted;
  __syncthreads();
}

/// Bitonic (Batcher 1968), descending; `size` is a power of two.
__device__ void sort(Shared& shared, int size) {
  for (int run = 2; run <= size; run *= 2) {
    for (int distance = run / 2; distance > 0; distance /= 2) {
      for (int i = static_cast<int>(threadIdx.x); i < size; i += kThreads) {
        const int other = i ^ distance;
        if (other <= i) continue;
        const std::uint64_t left = shared.best[i], right = shared.best[other];
        if ((left < right) == ((i & run) == 0)) {
          shared.best[i] = right;
          shared.best[other] = left;
        }
      }
      __syncthreads();
    }
  }
}

__global__ void __launch_bounds__(kThreads) rank_kernel(RankUsers work, int capacity) {
  __shared__ Shared shared;
  const std::int64_t user = blockIdx.x;
  const int thread = static_cast<int>(threadIdx.x);
  float* scores = work.scores + user * work.n_items;
  for (std::int32_t i = work.mask_offsets[user] + thread; i < work.mask_offsets[user + 1];
       i += kThreads) {
    scores[work.masked[i]] = -INFINITY;
  }
  for (int i = thread; i < capacity; i += kThreads) shared.best[i] = 0;
  __syncthreads();
  select_border(work, scores, shared);
  const bool all_equal = shared.equal <= shared.wanted;
  __syncthreads();
  collect_above(work, scores, all_equal, shared);
  if (!all_equal && shared.border != 0) collect_equal(work, scores, shared);
  sort(shared, capacity);
  const std::int32_t found = shared.found;
  for (int i = thread; i < found; i += kThreads) {
    const auto item = static_cast<std::int32_t>(~static_cast<std::uint32_t>(shared.best[i]));
    work.items[user * work.top + i] = item;
    work.item_scores[user * work.top + i] = scores[item];
  }
  if (thread == 0) work.counts[user] = found;
}

}  // namespace

const char* rank_users(const RankUsers& work, Stream stream) {
  if (work.n_users == 0) return nullptr;
  int capacity = 2;
  while (capacity < work.top) capacity *= 2;
  KGAT_LAUNCH(rank_kernel, static_cast<unsigned>(work.n_users), kThreads, stream, work, capacity);
  return launched();
}

}  // namespace kgat::gpu
