#include "host/plugins/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>

namespace trainhost::plugins {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxOutput = 1u << 20;

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(), "pipe");
    }
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_end(int which) {
    if (ends_[which] >= 0) close(ends_[which]);
    ends_[which] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

void write_all(int descriptor, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t wrote = write(descriptor, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    done += static_cast<std::size_t>(wrote);
  }
}

/// In the child: standard output and error go nowhere, or output to the pipe.
void redirect(int output) {
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(nowhere, STDIN_FILENO);
  dup2(output >= 0 ? output : nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  // A group of its own: what the child starts is killed with it.
  setpgid(0, 0);
  // And it does not outlive who started it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/// Reads until the pipe is closed or the time is up; false in the latter case.
bool read_until_closed(int descriptor, Clock::time_point end, std::string& out) {
  char buffer[4096];
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return false;
    pollfd watched{descriptor, POLLIN, 0};
    const int ready = poll(&watched, 1, static_cast<int>(left.count()));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t got = read(descriptor, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    const auto room = kMaxOutput - std::min(out.size(), kMaxOutput);
    out.append(buffer, std::min(static_cast<std::size_t>(got), room));
  }
}

/// Waits for the child's end; one that has closed the pipe and lives on is killed in time too.
ChildResult collect(pid_t child, Pipe& pipe, double timeout_seconds) {
  ChildResult out;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(timeout_seconds));
  out.timed_out = !read_until_closed(pipe.read_end(), end, out.output);
  int status = 0;
  pid_t ended = 0;
  while (!out.timed_out && (ended = waitpid(child, &status, WNOHANG)) != child) {
    out.timed_out = Clock::now() >= end;
    usleep(1000);
  }
  if (out.timed_out) {
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  if (WIFEXITED(status)) out.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) out.signal = WTERMSIG(status);
  return out;
}

pid_t fork_or_throw() {
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  return child;
}

}  // namespace

ChildResult run_in_child(const std::function<std::string()>& work, double timeout_seconds) {
  Pipe pipe;
  const pid_t child = fork_or_throw();
  if (child == 0) {
    redirect(-1);
    int code = 1;
    try {
      write_all(pipe.write_end(), work());
      code = 0;
    } catch (...) {
      // The missing output tells.
    }
    _exit(code);
  }
  pipe.close_end(1);
  return collect(child, pipe, timeout_seconds);
}

ChildResult run_program(const std::vector<std::string>& command, const std::string& library_path,
                        double timeout_seconds, bool errors) {
  Pipe pipe;
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork_or_throw();
  if (child == 0) {
    redirect(pipe.write_end());
    if (errors) dup2(STDOUT_FILENO, STDERR_FILENO);
    if (!library_path.empty()) setenv("LD_LIBRARY_PATH", library_path.c_str(), 1);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  pipe.close_end(1);
  return collect(child, pipe, timeout_seconds);
}

}  // namespace trainhost::plugins
