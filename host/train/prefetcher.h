// Prefetcher: loads micro-batches ahead of the step on loader threads.
//
// Purpose: the data order is a function (batch.h), so any thread can load any micro-batch; this
// keeps `depth` of them ready and hands them out in order. Owner: the trainer; borrows the
// BatchSources. Threads and ranks: next() from the rank's thread; sources are called from the
// loader threads. Errors: what a source throws is rethrown by the next() that would have returned
// its batch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "trainhost/batch.h"

namespace trainhost::train {

/// A micro-batch to load: of which objective, and which rows.
struct LoadRequest {
  int objective = 0;
  Slice slice;
};

class Prefetcher {
 public:
  /// `following` returns the requests one after the other and nullopt at the end; it is called
  /// under a lock, from any loader thread.
  Prefetcher(int workers, int depth, std::function<std::optional<LoadRequest>()> following,
             std::function<Batch(const LoadRequest&)> load);
  ~Prefetcher();

  /// The next micro-batch, waiting for it if need be; adds the wait to wait_seconds().
  Batch next();
  double wait_seconds() const { return wait_seconds_; }

 private:
  struct Slot {
    std::optional<Batch> batch;
    std::exception_ptr error;
  };

  void work();

  // Constant after construction.
  const std::function<std::optional<LoadRequest>()> following_;
  const std::function<Batch(const LoadRequest&)> load_;

  std::mutex mutex_;
  std::condition_variable space_, ready_;
  // State below is protected by mutex_.
  std::vector<Slot> slots_;
  std::int64_t requested_ = 0;  // micro-batches that a loader thread has taken on
  std::int64_t consumed_ = 0;
  bool stop_ = false;

  double wait_seconds_ = 0;  // the rank's thread only
  std::vector<std::thread> threads_;
};

}  // namespace trainhost::train
