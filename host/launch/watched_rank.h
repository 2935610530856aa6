// WatchedRank: what the supervisor knows of one rank process.
//
// Owner: the Supervisor. Threads and ranks: the parent's only thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <optional>
#include <string>

#include "host/launch/line_reader.h"
#include "host/launch/supervise.h"

namespace trainhost::launch {

using Clock = std::chrono::steady_clock;

struct WatchedRank {
  explicit WatchedRank(StartedRank started);

  int rank, slot, threads;
  pid_t pid;
  LineReader events, output;
  std::deque<std::string> last_output;  ///< for the report; bounded

  bool running = true;
  bool killed_by_us = false;
  int wait_status = 0;  ///< once it has ended
  double peak_resident_mb = 0;
  std::optional<Clock::time_point> stopped_since;
  double stopped_seconds = 0;  ///< when it was given up
  int stop_signal = 0;

  std::optional<telemetry::Summary> summary;
  std::optional<telemetry::Failed> failed;
  /// When it was noticed that this rank failed, by its own word or by its end, counted in notices.
  std::optional<int> failure_order;

  void remember_output(std::string_view line);
};

/// "was killed by SIGKILL", "ended with exit code 3", "was stopped by SIGSTOP …".
std::string describe_end(const WatchedRank& rank);

/// "SIGKILL"; "signal 99" where it has no name.
std::string signal_name(int signal);

}  // namespace trainhost::launch
