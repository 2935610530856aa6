// Runner: makes runs, each a process of its own, and remembers those that succeeded.
//
// Purpose: `trainhost bench` begun a second time goes on where it stopped. Owner: the bench
// command; borrows everything in Places. Threads: the program's only thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/bench/child_process.h"
#include "host/bench/json.h"
#include "host/bench/out_folder.h"

namespace trainhost::bench {

/// A command of trainhost in a process of its own.
struct RunRequest {
  enum class Kind {
    kTrain,  ///< trainhost RECIPE …: the result is its run directory
    kAsk     ///< trainhost COMMAND … --json: the result is what it prints
  };
  Kind kind = Kind::kTrain;
  std::string label;
  std::string recipe;              ///< the file
  std::vector<std::string> words;  ///< after "trainhost": RECIPE and overrides, or a command
  std::int64_t repeat = 1;
  bool warmup = false;
  double timeout = 0;  ///< seconds; 0: none
  bool keep = false;   ///< checkpoints and best model of the run stay
};

class Runner {
 public:
  struct Places {
    OutFolder& out;
    launch::Signals& signals;
    std::string program;               ///< trainhost itself
    std::string identity;              ///< of the program, see run_key.h
    std::vector<std::string> plugins;  ///< for --plugin
    bool fresh = false;                ///< what earlier commands have left counts for nothing
  };
  explicit Runner(Places places) : places_(std::move(places)) {}

  /// The result of a run (run_result.h, or for kAsk {"outcome", "exit_code", "reason", "answer"}),
  /// with "label", "repeat", "warmup", "key", "command", "reused", "load_before", "log" and
  /// "run_directory". A failure is a result. Throws Error (kRun) where a signal has come: see
  /// interrupted().
  Json run(const RunRequest& request, const std::function<void(double seconds)>& tick = {});

  /// True where run() would find the result of an earlier command.
  bool is_known(const RunRequest& request) const;

  /// The signal that ended it all; 0: none.
  int interrupted() const { return interrupted_; }

  /// A child of somebody else: throws Error where a signal came meanwhile.
  void take_note(const ChildEnd& end);
  /// Throws Error where a signal has come while no child was running.
  void check_signals();

  const Places& places() const { return places_; }

 private:
  std::string identity_of(const RunRequest& request) const;
  Json known(const RunRequest& request) const;
  std::vector<std::string> command_of(const RunRequest& request, const std::string& folder) const;
  [[noreturn]] void stop(int signal);

  Places places_;
  int interrupted_ = 0;
};

}  // namespace trainhost::bench
