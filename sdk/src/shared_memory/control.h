// What the ranks of a group share: one segment with a header, a slot for each rank, and the stages
// through which tensors outside shared memory travel.
//
// Threads and ranks: a slot is written by its rank alone, except `waiters`. `flag` is the one word
// that orders everything: what a rank wrote before it raised its flag may be read by those who saw
// the flag. Layout: Header, RankSlot[world], stages[world][kStages][kStageBytes].
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shared_memory/operation.h"

namespace shared_memory {

/// A stage fits the second-level cache three times, and is large enough to hide a synchronisation.
inline constexpr std::size_t kStageBytes = std::size_t{256} << 10;
/// What is written into a stage is read until two synchronisations later: the third is free then.
inline constexpr std::size_t kStages = 3;

/// Part of a shared buffer; buffer 0 is none.
struct Place {
  std::uint64_t buffer = 0;
  std::int64_t offset = 0;
};

/// What a rank says about its present operation.
struct Post {
  std::uint64_t sequence = 0;
  Description what{};
  Place input{}, output{};
};

struct alignas(128) RankSlot {
  /// Low half: the last synchronisation that this rank reached; it is the futex word. High half:
  /// the hash of its operation.
  std::atomic<std::uint64_t> flag{0};
  std::atomic<std::uint32_t> waiters{0};  ///< how many sleep on `flag`
  std::atomic<std::uint32_t> left{0};     ///< the rank closed its end
  alignas(64) Post posts[2];              ///< by the parity of the sequence number

  alignas(64) pid_t pid = 0;
  int file = -1;  ///< a memory file that the rank offers while a buffer is made
  cpu_set_t cores{};
  char reason[1024]{};  ///< why the rank gave up, zero-terminated
};

struct alignas(128) Header {
  std::uint64_t nonce = 0;
  std::uint32_t world = 0;
  alignas(64) std::atomic<std::uint32_t> broken_by{0};  ///< the first rank to give up, plus one
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Where things lie in the segment.
class Control {
 public:
  Control(std::byte* data, int world) : data_(data), world_(static_cast<std::size_t>(world)) {}

  static std::size_t bytes(int world) {
    const auto ranks = static_cast<std::size_t>(world);
    return stages_offset(ranks) + ranks * kStages * kStageBytes;
  }

  Header& header() const { return *reinterpret_cast<Header*>(data_); }
  RankSlot& slot(int rank) const {
    return reinterpret_cast<RankSlot*>(data_ + sizeof(Header))[rank];
  }
  std::byte* stage(int rank, std::uint64_t number) const {
    return data_ + stages_offset(world_) +
           (static_cast<std::size_t>(rank) * kStages + number % kStages) * kStageBytes;
  }

 private:
  static std::size_t stages_offset(std::size_t ranks) {
    constexpr std::size_t kPage = 4096;
    return (sizeof(Header) + ranks * sizeof(RankSlot) + kPage - 1) / kPage * kPage;
  }

  std::byte* data_;
  std::size_t world_;
};

}  // namespace shared_memory
