#include "host/launch/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "trainhost/error.h"

namespace trainhost::launch {

Signals::Signals() {
  sigset_t mine;
  sigemptyset(&mine);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT}) {
    sigaddset(&mine, signal);
  }
  fd_ = Descriptor(signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_.open()) {
    throw Error(Failure::kRun, {.where = "launch",
                                .what = std::string("signalfd: ") + std::strerror(errno),
                                .fix = "raise the limit of open files (ulimit -n)"});
  }
  sigprocmask(SIG_BLOCK, &mine, &before_);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before_);
}

Signals::~Signals() {
  sigaction(SIGPIPE, &pipe_before_, nullptr);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

std::vector<int> Signals::take() {
  std::vector<int> out;
  signalfd_siginfo info{};
  while (read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    out.push_back(static_cast<int>(info.ssi_signo));
  }
  return out;
}

}  // namespace trainhost::launch
