#include "host/launch/spawn.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "host/launch/descriptor.h"
#include "trainhost/error.h"

namespace trainhost::launch {
namespace {

[[noreturn]] void fail(const std::string& what, int code) {
  throw Error(Failure::kRun,
              {.where = "launch",
               .what = what + ": " + std::strerror(code),
               .fix = code == EAGAIN || code == ENOMEM
                          ? "free memory, or raise the limit of processes (ulimit -u)"
                          : "build or install trainhost again"});
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: only calls that are safe there.
void prepare_child(const SpawnOptions& options, int parent) {
  die_with_parent(parent);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaction(signal, &ignore, nullptr);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  if (options.output_fd >= 0) {
    dup2(options.output_fd, STDOUT_FILENO);
    dup2(options.output_fd, STDERR_FILENO);
  }
  for (const int fd : options.inherited) fcntl(fd, F_SETFD, 0);
  sigprocmask(SIG_SETMASK, &options.mask, nullptr);
}

}  // namespace

pid_t spawn(const SpawnOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  arguments.insert(arguments.begin(), options.program);
  std::vector<std::string> environment;
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);

  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe", errno);
  const Descriptor answer(ends[0]);
  Descriptor question(ends[1]);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) fail("fork", errno);
  if (child == 0) {
    prepare_child(options, parent);
    execve(options.program.c_str(), argv.data(), envp.data());
    const int code = errno;
    const ssize_t written = write(question.get(), &code, sizeof code);
    _exit(written == static_cast<ssize_t>(sizeof code) ? 127 : 126);
  }
  question.reset();
  int code = 0;
  ssize_t got = 0;
  do {
    got = read(answer.get(), &code, sizeof code);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof code)) {
    waitpid(child, nullptr, 0);
    fail("cannot execute " + options.program, code);
  }
  return child;
}

}  // namespace trainhost::launch
