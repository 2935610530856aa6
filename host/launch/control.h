// Control: a few words of memory that the parent shares with the ranks of its machine.
//
// Purpose: the abort word every waiting rank looks at, the parent's wish that the run ends, and for
// each local rank a heartbeat and what it is doing, readable even after `kill -9`. It is a memfd:
// nothing named is left behind, whoever dies.
// Owner: the parent makes it; a rank maps the inherited descriptor. The mapping lives as long as
// the Control; signals taken from it must not outlive it. Threads and ranks: everything here is
// lock-free and may be called from any thread; `doing` from one thread of each rank.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "trainhost/abort.h"

namespace trainhost::launch {

/// More ranks than this on one machine are refused.
inline constexpr int kMaxLocalRanks = 1024;

/// Bytes of the text that says what a rank is doing; longer ones are cut.
inline constexpr std::size_t kDoingBytes = 120;

class Control {
 public:
  /// The parent's end. Throws Error (kDevice) where the memory cannot be had.
  static Control create(int local_ranks);
  /// A rank's end of an inherited descriptor, which is closed. Throws Error (kRun) where that is no
  /// control page of this version.
  static Control attach(int fd);

  Control(Control&& other) noexcept;
  Control& operator=(Control&&) = delete;
  ~Control();

  int local_ranks() const;
  AbortSignal abort_signal() const;

  /// 0, or the signal (SIGINT, SIGTERM) for which the run is to finish its step, write a checkpoint
  /// and end.
  int stop_signal() const;
  void ask_to_stop(int signal) const;

  /// A rank says that it lives.
  void beat(int local_rank) const;
  std::uint64_t heartbeat(int local_rank) const;

  /// A rank says what it is doing ("training, epoch 3, cf, step 120/480"): costs no system call, so
  /// it may be said before every step. Beats the heart too. Reading gives the last whole text.
  void doing(int local_rank, std::string_view text) const;
  std::string doing(int local_rank) const;

  /// The parent's descriptor to hand on (close-on-exec); -1 in a rank.
  int fd() const { return fd_; }

 private:
  using Text = std::array<std::atomic<std::uint64_t>, kDoingBytes / 8>;
  struct Slot {
    std::atomic<std::uint64_t> heartbeat;
    std::atomic<std::uint64_t>
        texts;  ///< how many have been said; the last one is in text[texts % 2]
    std::array<Text, 2> text;
  };
  struct Page;

  Control(int fd, Page* page, std::size_t bytes) : fd_(fd), page_(page), bytes_(bytes) {}
  Slot& slot(int local_rank) const;

  int fd_;
  Page* page_;
  std::size_t bytes_;
};

}  // namespace trainhost::launch
