// AbortSignal: the word that tells every waiting rank that the run is over.
//
// Purpose: whoever waits for another rank (a spin, a futex, a socket) looks at this word at least
// every 100 ms, so that one lost rank ends the others at once instead of by their time-out.
// Owner: the host, which keeps it in memory shared by the parent and all ranks of this machine.
// Threads and ranks: read anywhere, lock-free; raised by the host, or by the first rank to fail.
#pragma once

#include <atomic>
#include <cstdint>

namespace trainhost {

class AbortSignal {
 public:
  static constexpr std::uint32_t kFine = 0;
  /// The run ends for a reason that no rank caused (an interrupt, the parent's death).
  static constexpr std::uint32_t kNoRank = 0xffffffffu;

  explicit AbortSignal(std::atomic<std::uint32_t>& word) : word_(&word) {}

  bool raised() const { return word_->load(std::memory_order_acquire) != kFine; }

  /// The rank that was lost first; -1 where none is to blame, or nothing was raised.
  int lost_rank() const {
    const std::uint32_t word = word_->load(std::memory_order_acquire);
    return word == kFine || word == kNoRank ? -1 : static_cast<int>(word) - 1;
  }

  /// Raises the signal unless it is up already: the first reason stays.
  void raise(int rank) const {
    std::uint32_t fine = kFine;
    word_->compare_exchange_strong(fine, rank < 0 ? kNoRank : static_cast<std::uint32_t>(rank) + 1);
  }

 private:
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
  std::atomic<std::uint32_t>* word_;
};

}  // namespace trainhost
