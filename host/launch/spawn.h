// spawn: starts a rank process.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "host/launch/rank_environment.h"

namespace trainhost::launch {

struct SpawnOptions {
  std::string program;
  std::vector<std::string> arguments;  ///< without the program
  Environment environment;             ///< all of it
  std::vector<int> inherited;          ///< descriptors that the program keeps, by the same number
  int output_fd = -1;                  ///< becomes its stdout and stderr
  sigset_t mask{};                     ///< its signal mask
};

/// The process: its stdin is empty; it ignores SIGINT, SIGTERM and SIGHUP, so that Ctrl-C is the
/// parent's affair; the kernel kills it when the parent ends. Throws Error (kRun) where the program
/// cannot be executed. Not to be called from a process with threads.
pid_t spawn(const SpawnOptions& options);

}  // namespace trainhost::launch
