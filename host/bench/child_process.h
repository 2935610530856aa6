// A child process that runs for minutes: its words go to files, signals are passed on to it.
//
// Threads: the program's only thread, since it forks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/launch/signals.h"

namespace trainhost::bench {

struct ChildCommand {
  std::vector<std::string> words;  ///< words[0]: the program's path, or a name found on the PATH
  std::string out_file;            ///< its stdout; the same file as err_file may be
  std::string err_file;
  std::string folder{};  ///< in which it works; "": this process's
  double timeout = 0;    ///< seconds after which it is asked to end, and later killed; 0: none
};

struct ChildEnd {
  int exit_code = -1;  ///< -1: it did not exit by itself
  int signal = 0;      ///< that ended it
  bool timed_out = false;
  bool missing = false;  ///< there is no such program
  int interrupted = 0;   ///< the signal that this process got meanwhile and passed on
  double seconds = 0;
};

/// Waits for its end. SIGINT, SIGTERM and SIGHUP are passed on, as often as they come; the child
/// has a process group of its own, so a terminal's Ctrl-C reaches it once. `tick` is called about
/// twice a second. The child is asked to end (SIGTERM) where this process is killed.
ChildEnd run_child(const ChildCommand& command, launch::Signals& signals,
                   const std::function<void(double seconds)>& tick = {});

}  // namespace trainhost::bench
