// Verdict: how a rank process ends.
//
// Purpose: tells the parent of the first failure of its ranks, since the others are its
// consequences. Owner: run_ranks. Threads and ranks: any thread.
#pragma once

#include <exception>
#include <mutex>
#include <string>

#include "host/launch/control.h"
#include "host/telemetry/event_writer.h"
#include "host/train/exceptions.h"
#include "host/train/rank_host.h"
#include "trainhost/error.h"

namespace trainhost::train {

class Verdict {
 public:
  Verdict(telemetry::EventWriter& events, const launch::Control& control)
      : events_(events), control_(control) {}

  /// Calls `function` for a rank; what it throws ends the other ranks too. `who`: what an exception
  /// that is no Error is put down to.
  template <class Function>
  void guard(int rank, int slot, const std::string& who, Function&& function) noexcept {
    try {
      function();
    } catch (const Interrupted&) {
      interrupted(rank);
    } catch (const Error& error) {
      failed(rank, slot, error);
    } catch (const std::exception& error) {
      failed(rank, slot, as_error(who, error));
    }
  }

  int code() const { return code_; }
  bool good();

 private:
  void interrupted(int rank);
  void failed(int rank, int slot, const Error& error);

  telemetry::EventWriter& events_;
  const launch::Control& control_;
  std::mutex mutex_;
  // State below is protected by mutex_, until the ranks have ended.
  bool ended_ = false;
  int code_ = 0;
};

}  // namespace trainhost::train
