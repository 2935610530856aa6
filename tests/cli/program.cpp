#include "program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace trainhost_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kRecipe = R"(-- A fake that trains nothing.
return {
  name = "fake",
  model = { "fake", dim = 8 },
  devices = { "cpu", count = 2 },
  strategy = "fake",
  optimizer = { "adam", lr = 0.001 },
  train = { epochs = 1, batch = 8 },
  scaling = { base_batch = 8, lr = "linear" },
}
)";

[[noreturn]] void become(const std::vector<std::string>& words, const Variables& variables,
                         const std::string& folder, bool terminal) {
  for (const char* name : {"RANK", "WORLD_SIZE", "TRAINHOST_LIBTORCH", "FAKE_RANK"}) unsetenv(name);
  setenv("TRAINHOST_LIBTORCH", TRAINHOST_TEST_TREE "/libtorch", 1);
  setenv("TERM", "xterm", 1);
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  if (chdir(folder.c_str()) != 0) _exit(120);
  if (!terminal) {
    dup2(open("out.txt", O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open("err.txt", O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
  }
  std::vector<char*> arguments = {const_cast<char*>("trainhost")};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv(TRAINHOST_TEST_TREE "/bin/trainhost", arguments.data());
  _exit(121);
}

}  // namespace

Workplace::Workplace() {
  std::string name = fs::temp_directory_path() / "trainhost-cli-XXXXXX";
  path_ = mkdtemp(name.data());
  write("fake.lua", kRecipe);
}

Workplace::~Workplace() { fs::remove_all(path_); }

void Workplace::write(const std::string& name, const std::string& text) const {
  std::ofstream(path_ / name) << text;
}

std::string Workplace::read(const std::string& name) const {
  std::ostringstream out;
  out << std::ifstream(path_ / name).rdbuf();
  return out.str();
}

Program::Program(const Workplace& place, std::vector<std::string> words, const Variables& variables,
                 bool terminal)
    : place_(place) {
  if (terminal) {
    const winsize size{.ws_row = 25, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = forkpty(&terminal_, nullptr, nullptr, &size);
  } else {
    pid_ = fork();
  }
  if (pid_ == 0) become(words, variables, place / "", terminal);
}

Program::~Program() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (terminal_ >= 0) close(terminal_);
}

void Program::read_terminal() {
  pollfd entry{terminal_, POLLIN, 0};
  std::array<char, 4096> chunk;
  while (terminal_ >= 0 && poll(&entry, 1, 0) > 0) {
    const ssize_t got = read(terminal_, chunk.data(), chunk.size());
    if (got <= 0) return;
    seen_.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

bool Program::wait_for(const std::string& text) {
  for (int tries = 0; tries < 2000; ++tries) {
    read_terminal();
    const std::string shown = terminal_ >= 0 ? seen_ : place_.read("err.txt");
    if (shown.find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

void Program::type(const std::string& keys) const {
  if (write(terminal_, keys.data(), keys.size()) < 0) std::abort();
}

Ended Program::wait() {
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    read_terminal();  // a full terminal would hold it up
    std::this_thread::sleep_for(2ms);
  }
  pid_ = -1;
  read_terminal();
  Ended out;
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  out.out = terminal_ >= 0 ? "" : place_.read("out.txt");
  out.err = terminal_ >= 0 ? seen_ : place_.read("err.txt");
  return out;
}

}  // namespace trainhost_test
