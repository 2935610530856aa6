// A child process that does one thing and says how it went.
//
// Threads and ranks: the caller has one thread, since it forks.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace trainhost::plugins {

struct ChildResult {
  std::string output;      ///< what it wrote to the pipe, at most 1 MiB
  int exit_code = -1;      ///< -1 when it did not exit by itself
  int signal = 0;          ///< that ended it
  bool timed_out = false;  ///< and was killed
};

/// Forks; the child calls `work` and writes what it returns. What the child prints goes nowhere.
ChildResult run_in_child(const std::function<std::string()>& work, double timeout_seconds);

/// Starts a program; its standard output, and with `errors` its standard error, is the pipe.
/// `library_path` is its LD_LIBRARY_PATH, unless that is "".
ChildResult run_program(const std::vector<std::string>& command, const std::string& library_path,
                        double timeout_seconds, bool errors = false);

}  // namespace trainhost::plugins
