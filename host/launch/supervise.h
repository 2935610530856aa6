// supervise: watches the ranks of this machine until all have ended, and says how the run ended.
//
// Purpose: one loop over signals and pipes. A rank that dies, fails, stops or ends too early raises
// the abort word at once; the others get some seconds to end by themselves, then SIGKILL. The first
// SIGINT or SIGTERM asks the ranks to write a checkpoint and end, the second kills them. When it
// returns or throws, every rank has ended and is reaped.
// Owner: the launch. Threads and ranks: the parent's only thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/launch/control.h"
#include "host/launch/descriptor.h"
#include "host/launch/signals.h"
#include "host/telemetry/event.h"

namespace trainhost::launch {

/// Who hears what the ranks say while they run.
class Audience {
 public:
  virtual ~Audience() = default;
  virtual void event(int rank, const telemetry::Event& event) = 0;
  /// A line that a rank's libraries wrote to its stdout or stderr.
  virtual void output(int rank, std::string_view line) = 0;
  /// The supervisor's own words to the user.
  virtual void notice(std::string_view text) = 0;
  /// What only the log file needs to know.
  virtual void detail(std::string_view text) = 0;
  /// About ten times a second; `resized`: the terminal has changed its size.
  virtual void tick(bool resized) = 0;
};

/// A rank process as it was started.
struct StartedRank {
  int rank = 0;
  int slot = 0;     ///< in the control page
  int threads = 1;  ///< ranks of this process, in as many slots
  pid_t pid = -1;
  Descriptor events;  ///< read ends
  Descriptor output;
};

struct SupervisionLimits {
  double stopped_seconds = 30;  ///< a rank may be stopped (SIGSTOP) so long
  double grace_seconds = 2;     ///< for the other ranks to end after one has failed
};

/// Why a run failed: the one report, and its parts.
struct FailureReport {
  int rank = -1;
  Failure failure = Failure::kRun;
  std::string place;   ///< what the rank was doing
  std::string reason;  ///< "was killed by SIGKILL", or its Error's text
  std::string brief;   ///< the same in one line: what failed, and what was found
  std::string text;    ///< the whole report, several lines
};

struct Ending {
  enum class Outcome { kDone, kInterrupted, kFailed };
  Outcome outcome = Outcome::kDone;
  int exit_code = 0;
  std::optional<FailureReport> failure;
  bool checkpoint_written = true;      ///< of an interrupted run
  std::vector<double> peak_memory_mb;  ///< a rank's own figure, else its peak resident size
};

/// Takes over ranks that may still be being started: `add` one by one, then `run`. Destroying it
/// kills and reaps what is left.
class Supervisor {
 public:
  Supervisor(const Control& control, Signals& signals, Audience& audience,
             SupervisionLimits limits);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void add(StartedRank rank);
  Ending run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trainhost::launch
