// Group: one rank's end of a group: it synchronises, waits, and knows who is missing.
//
// Purpose: the only place where ranks wait for each other. sync() is a barrier that carries a hash
// of the operation, so ranks that issue different operations are told so instead of exchanging
// garbage. Owner: an Engine. Threads and ranks: one thread at a time, except abort(), which any
// thread may call. Errors: Error (Failure::kRankLost, or kRun for a mismatch); after the first one
// every later call throws too, on all ranks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shared_memory/control.h"
#include "shared_memory/mapping.h"
#include "trainhost/abort.h"
#include "trainhost/error.h"

namespace shared_memory {

/// How a group waits.
struct Patience {
  double timeout_seconds = 30;
  trainhost::AbortSignal abort;
};

class Group {
 public:
  Group(std::string name, std::shared_ptr<Mapping> segment, int rank, int world,
        const Patience& patience);
  ~Group();

  int rank() const { return rank_; }
  int world() const { return world_; }
  RankSlot& slot(int rank) const { return control_.slot(rank); }

  /// The first synchronisation of processes, in which all learn how many cores they share.
  /// [collective]
  void meet();
  /// How many cores the ranks share; with fewer cores than ranks nobody spins.
  void set_cores(int cores) { crowded_ = cores < world_; }
  /// The processes of the other ranks (pidfd, by rank), for a group whose ranks are processes.
  void watch(std::vector<Descriptor> processes) { peers_ = std::move(processes); }

  /// Starts an operation, which lives until end().
  void begin(const Operation& operation, const Place& input, const Place& output);
  void end() { current_ = nullptr; }

  /// Returns when all ranks have come here.  [collective]
  void sync();

  /// A rank's stage that is written before the next synchronisation (age 0), was written before the
  /// last one (age 1) or before the one before that (age 2).
  std::byte* stage(int rank, std::uint64_t age) const {
    return control_.stage(rank, ticket_ - age);
  }
  /// What `rank` posted about the present operation; after a sync().
  const Post& post(int rank) const { return slot(rank).posts[sequence_ & 1]; }

  /// A worker thread spins only briefly: its core may be wanted by the rank's own computation.
  void wait_as_worker(bool worker) { worker_ = worker; }

  /// Ends all waiting, now and later.
  void abort(std::string_view reason) noexcept;

  /// Tells all ranks that this one cannot go on, and throws.
  [[noreturn]] void fail(trainhost::Failure failure, const std::string& what,
                         const std::string& expected = {}, const std::string& got = {},
                         const std::string& fix = {});

 private:
  void wait_for(int peer, std::uint32_t ticket);
  std::uint64_t spin(int peer, std::uint32_t ticket) const;
  std::uint64_t sleep(int peer, std::uint32_t ticket);
  void look_for_trouble(int peer, std::uint32_t ticket);
  [[noreturn]] void fail_mismatch(int peer);
  bool reached(int peer, std::uint32_t ticket) const;
  std::string missing(std::uint32_t ticket) const;
  std::string current() const;
  void tell_all(const std::string& reason) noexcept;

  // Constant once the group is made.
  const std::string name_;
  const std::shared_ptr<Mapping> segment_;
  const Control control_;
  const int rank_, world_;
  const Patience patience_;
  std::vector<Descriptor> peers_;
  bool crowded_ = true;  ///< more ranks than cores

  // Of the thread that runs an operation.
  const Operation* current_ = nullptr;
  std::uint64_t ticket_ = 1;    ///< number of the next synchronisation
  std::uint64_t sequence_ = 0;  ///< number of the present operation
  std::uint32_t hash_ = 0;
  bool worker_ = false;

  std::atomic<bool> stopped_{false};  ///< aborted or failed
  std::mutex mutex_;                  ///< protects stop_reason_ and the reason in the own slot
  std::string stop_reason_;
};

}  // namespace shared_memory
