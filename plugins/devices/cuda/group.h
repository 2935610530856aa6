// Group: a wire, what ends its waits, and the errors it gives.
//
// Purpose: issues operations in one order and waits for them with a time-out that names the
// operation and the ranks that did not come to it. Owner: shared by a communicator and the Works it
// gave out, which may be destroyed after it. Threads and ranks: wait() and issue() from the rank's
// threads, abort() from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "cuda/abort_watch.h"
#include "cuda/progress_board.h"
#include "cuda/wire.h"
#include "trainhost/device.h"

namespace cuda {

struct GroupPlace {
  std::string name;
  int rank = 0, world = 1;
  at::Device device{at::kCPU};
  bool rank_order_sums = false;  ///< sums by all-to-all, a local sum and an all-gather
};

/// An operation as its group knows it.
struct Operation {
  Issued issued;
  std::uint64_t number = 0;  ///< see RankPlace
  std::string what;
};

class Group {
 public:
  Group(GroupPlace place, const trainhost::OpenOptions& options, std::unique_ptr<Wire> wire,
        std::unique_ptr<ProgressBoard> board);
  ~Group();

  /// What the wire throws becomes an Error (kRankLost).  [collective]
  Operation issue(std::string what, const std::function<Issued(Wire&)>& function);

  /// Returns when the work is done on the device, and lets the current stream go on after it.
  void wait(const Operation& operation);

  void abort(std::string_view reason) noexcept;

  const GroupPlace& place() const { return place_; }

 private:
  bool aborted() const { return aborted_.load(); }
  std::string reason();
  [[noreturn]] void give_up(const Operation& operation);
  [[noreturn]] void fail(const std::string& what, const std::string& why,
                         const std::string& fix = {}) const;

  // Constant after construction.
  const GroupPlace place_;
  const double timeout_;
  const trainhost::AbortSignal abort_;
  const std::unique_ptr<Wire> wire_;
  const std::unique_ptr<ProgressBoard> board_;

  std::mutex issue_mutex_, reason_mutex_;
  std::atomic<bool> aborted_{false};
  std::string reason_;  // protected by reason_mutex_
  AbortWatch watch_;    // last: it uses the others
};

}  // namespace cuda
