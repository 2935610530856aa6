// LocalGroup: where rank threads of one process meet.
//
// Purpose: a meeting of N threads, each of which shows the others one collective and its tensors.
// Owner: shared by the LocalCommunicators of the group. Threads and ranks: meet() and settle from
// each rank's thread, abort() from any.
#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/operation.h"
#include "trainhost/abort.h"

namespace cuda {

class LocalGroup {
 public:
  /// What a rank shows the others between two meetings.
  struct Shown {
    Description what;
    at::Tensor tensor;                    ///< its data, or its input
    std::vector<std::int64_t> offsets{};  ///< of the parts for each rank, where there are such
    at::Tensor result{};                  ///< the part of the reduction that this rank made
    at::Tensor output{};                  ///< where it is not `tensor`
    std::vector<std::int64_t> output_offsets{};  ///< all_to_all: of the parts from each rank
  };

  LocalGroup(std::string name, int world, double timeout_seconds, trainhost::AbortSignal abort);

  int world() const { return static_cast<int>(shown_.size()); }
  const std::string& name() const { return name_; }
  double timeout() const { return timeout_; }

  /// This rank's own place; written between meetings alone.
  Shown& own(int rank) { return shown_[static_cast<std::size_t>(rank)]; }
  const Shown& of(int rank) const { return shown_[static_cast<std::size_t>(rank)]; }

  /// Returns when all ranks have come here and the last one to come has called its `complete`; what
  /// that throws, all throw. Throws Error (kRankLost) on time-out or abort, naming the ranks that
  /// did not come.  [collective]
  void meet(int rank, const std::function<void()>& complete = {});
  /// Throws Error (kRun) unless all ranks show the same operation; by the last one to come.
  void require_agreement(int rank) const;

  /// For waits after a meeting: throws where the run is being ended.
  void check(int rank, const Description& what);
  /// All have come, and yet it does not end: aborts, calls `then`, and throws.
  [[noreturn]] void give_up(int rank, const Description& what, const std::function<void()>& then);

  void abort(std::string_view reason) noexcept;

 private:
  [[noreturn]] void fail(int rank, const Description& what, const std::string& why) const;
  std::string missing() const;

  const std::string name_;
  const double timeout_;
  const trainhost::AbortSignal abort_;

  std::vector<Shown> shown_;  // each written by its rank, read by others after a meeting

  // State below is protected by mutex_.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> here_;
  int count_ = 0;
  std::uint64_t generation_ = 0;
  bool aborted_ = false;
  std::string reason_;
  std::exception_ptr thrown_;  ///< by the last `complete`
};

}  // namespace cuda
