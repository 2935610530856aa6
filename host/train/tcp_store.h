// The store of a run: LibTorch's TCPStore behind the SDK's Store, and one in memory for world 1.
//
// Purpose: rendezvous. Owner: the rank program's main. Threads and ranks: any thread. Waiting looks
// at the abort signal every few milliseconds, so a lost rank ends it at once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/launch/rank_environment.h"
#include "trainhost/abort.h"
#include "trainhost/store.h"

namespace trainhost::train {

class RunStore : public Store {
 public:
  /// Waits for a key without a time-out of its own: `keep_waiting` is called every few milliseconds
  /// and throws to end the wait.
  virtual std::string wait(std::string_view key, const std::function<void()>& keep_waiting) = 0;
};

/// Connects to (rank 0: hosts) the run's store. Errors: Failure::kRankLost when it is not reached.
std::unique_ptr<RunStore> make_store(const launch::RankEnvironment& environment, AbortSignal abort,
                                     double timeout_seconds);

}  // namespace trainhost::train
