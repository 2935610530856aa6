// AbortWatch: looks at the abort signal for those who wait inside a library.
//
// Purpose: a kernel that waits for a lost rank ends only when its communicator is aborted. Owner: a
// group. Threads and ranks: a thread of its own, which calls `end` once at most.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

#include "trainhost/abort.h"

namespace cuda {

class AbortWatch {
 public:
  /// `end`: throws nothing.
  AbortWatch(trainhost::AbortSignal abort, std::function<void()> end)
      : thread_([abort, end = std::move(end)](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            if (abort.raised()) return end();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
          }
        }) {}

  /// Returns when `end` is not running and will not.
  void stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::jthread thread_;
};

}  // namespace cuda
