// WorkQueue: runs a rank's operations in the order of issue, small ones at once, large ones beside
// the caller.
//
// Purpose: asynchronous collectives with one worker thread, which starts with the first large
// operation. A caller that waits takes the next operation itself when the worker has not begun it,
// so waiting at once costs no change of thread. Owner: a communicator; the handles share it, so
// they may outlive the communicator. Threads and ranks: issue() from one thread at a time, wait()
// from any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "trainhost/communicator.h"

namespace shared_memory {

class WorkQueue : public std::enable_shared_from_this<WorkQueue> {
 public:
  /// One operation; `worker` says whether the queue's own thread runs it.
  using Job = std::function<void(bool worker)>;

  ~WorkQueue();

  /// Whether nothing is queued or under way: then the caller may run an operation itself.
  bool idle() const { return outstanding_.load(std::memory_order_acquire) == 0; }

  /// Queues a job. It owns all it needs; what it throws comes out of Work::wait.
  trainhost::WorkHandle issue(Job job);

  /// Runs no further job: those queued fail with `reason`. Returns when none is under way.
  void close(const std::exception_ptr& reason);

 private:
  struct Item {
    Job job;
    std::exception_ptr error;
    bool done = false;
  };
  class Handle;

  void wait(Item& item);
  void run_next(std::unique_lock<std::mutex>& lock, bool worker);
  void work();

  std::atomic<int> outstanding_{0};

  // State below is protected by mutex_.
  std::mutex mutex_;
  std::condition_variable queued_, finished_;
  std::deque<std::shared_ptr<Item>> items_;  // each is shared with its handle
  bool running_ = false;
  bool closed_ = false;
  std::exception_ptr closed_reason_;
  std::thread worker_;
};

}  // namespace shared_memory
