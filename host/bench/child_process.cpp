#include "host/bench/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "trainhost/error.h"

namespace trainhost::bench {
namespace {

constexpr int kTickMilliseconds = 500;
constexpr double kPatience = 30;  // seconds from being asked to end to being killed
constexpr int kMissing = 127;     // as in a shell

double seconds_now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// Between fork and exec: only calls that are safe there.
[[noreturn]] void become(const ChildCommand& command, char* const* argv, int out, int err,
                         const sigset_t& mask, pid_t parent) {
  setpgid(0, 0);
  if (!command.folder.empty() && chdir(command.folder.c_str()) != 0) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(argv[0], argv);
  _exit(errno == ENOENT ? kMissing : 126);
}

launch::Descriptor opened(const std::string& file, bool anew) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (anew ? O_TRUNC : 0);
  launch::Descriptor out(open(file.c_str(), flags, 0666));
  if (out.open()) return out;
  throw Error(Failure::kRun,
              {.where = file, .what = std::string("cannot write: ") + std::strerror(errno)});
}

pid_t start(const ChildCommand& command, const launch::Signals& signals) {
  const launch::Descriptor out = opened(command.out_file, true);
  const launch::Descriptor err = opened(command.err_file, command.err_file != command.out_file);
  std::vector<char*> argv;
  for (const std::string& word : command.words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid(), child = fork();
  if (child < 0) {
    throw Error(Failure::kRun, {.where = command.words.front(),
                                .what = std::string("cannot start it: ") + std::strerror(errno)});
  }
  if (child == 0) become(command, argv.data(), out.get(), err.get(), signals.mask_before(), parent);
  setpgid(child, child);  // whoever comes first
  return child;
}

/// Asks a child that takes too long to end, later less politely.
class Deadline {
 public:
  explicit Deadline(double timeout) : end_(timeout) {}
  void look(pid_t child, double seconds, ChildEnd& out) {
    if (end_ <= 0 || seconds < end_) return;
    kill(out.timed_out ? -child : child, out.timed_out ? SIGKILL : SIGTERM);
    out.timed_out = true;
    end_ = seconds + kPatience;
  }

 private:
  double end_;
};

void pass_on(const std::vector<int>& came, pid_t child, ChildEnd& out) {
  for (const int signal : came) {
    if (signal != SIGINT && signal != SIGTERM && signal != SIGHUP) continue;
    kill(child, signal);
    out.interrupted = signal;
  }
}

}  // namespace

ChildEnd run_child(const ChildCommand& command, launch::Signals& signals,
                   const std::function<void(double seconds)>& tick) {
  const double begun = seconds_now();
  const pid_t child = start(command, signals);
  ChildEnd out;
  Deadline deadline(command.timeout);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) != child) {
    pollfd watched{signals.fd(), POLLIN, 0};
    poll(&watched, 1, kTickMilliseconds);
    pass_on(signals.take(), child, out);
    deadline.look(child, seconds_now() - begun, out);
    if (tick) tick(seconds_now() - begun);
  }
  out.seconds = seconds_now() - begun;
  if (WIFEXITED(status)) out.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) out.signal = WTERMSIG(status);
  out.missing = out.exit_code == kMissing;
  return out;
}

}  // namespace trainhost::bench
