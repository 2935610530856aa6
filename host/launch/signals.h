// Signals: the signals of interest to the parent, as readable events instead of handlers.
//
// Purpose: no code runs in a signal handler, and none is lost between two looks. While it lives
// SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGCONT are blocked, and SIGPIPE is ignored.
// Owner: the launch; its end restores what was. Threads and ranks: the parent's only thread.
#pragma once

#include <csignal>
#include <vector>

#include "host/launch/descriptor.h"

namespace trainhost::launch {

class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Readable when something has come; for poll().
  int fd() const { return fd_.get(); }
  /// What has come since the last look; never waits.
  std::vector<int> take();
  /// The mask before this object; a child starts with it.
  const sigset_t& mask_before() const { return before_; }

 private:
  Descriptor fd_;
  sigset_t before_{};
  struct sigaction pipe_before_ {};
};

}  // namespace trainhost::launch
