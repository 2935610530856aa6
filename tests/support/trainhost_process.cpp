#include "trainhost_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "host/checkpoint/manifest.h"
#include "trainhost/files.h"
#include "trainhost/safetensors.h"

namespace trainhost::testing {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "trainhost-test-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Running::Running(const std::vector<std::string>& arguments, const std::string& folder) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  std::vector<char*> argv{const_cast<char*>(TRAINHOST_PROGRAM)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setpgid(0, 0);
    ::dup2(ends[1], 1);
    ::dup2(ends[1], 2);
    ::setenv("TRAINHOST_PLUGIN_PATH", TRAINHOST_TEST_PLUGINS, 1);
    ::setenv("TRAINHOST_CACHE", (folder + "/cache").c_str(), 1);
    if (::chdir(folder.c_str()) == 0) ::execv(TRAINHOST_PROGRAM, argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  pipe_ = ends[0];
}

Running::~Running() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (pipe_ >= 0) ::close(pipe_);
}

bool Running::read_more() {
  char buffer[4096];
  const ssize_t got = ::read(pipe_, buffer, sizeof(buffer));
  if (got <= 0) return false;
  output_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

bool Running::wait_for(const std::string& text) {
  while (output_.find(text) == std::string::npos) {
    if (!read_more()) return false;
  }
  return true;
}

Ended Running::wait() {
  while (read_more()) {
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output_};
}

Ended run(const std::vector<std::string>& arguments, const std::string& folder) {
  return Running(arguments, folder).wait();
}

std::map<std::string, double> losses(const std::string& run_directory) {
  std::map<std::string, double> out;
  std::ifstream lines(run_directory + "/metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (!entry.contains("loss")) continue;
    out[entry.at("objective").get<std::string>() + "/" +
        std::to_string(entry.at("step").get<std::int64_t>())] = entry.at("loss").get<double>();
  }
  return out;
}

std::map<std::string, std::string> checkpoint_bytes(const std::string& run_directory) {
  fs::path newest;
  std::int64_t step = -1;
  for (const auto& entry : fs::directory_iterator(run_directory + "/checkpoints")) {
    const std::int64_t at = std::stoll(entry.path().filename().string().substr(5));
    if (at > step) {
      step = at;
      newest = entry.path();
    }
  }
  REQUIRE(step >= 0);
  const std::string file = (newest / "manifest.json").string();
  const auto manifest =
      checkpoint::manifest_from_json(read_text_file(file, checkpoint::kMaxManifest), file);
  std::map<std::string, std::string> out;
  for (const checkpoint::Piece& piece : manifest.pieces) {
    const SafetensorsReader reader((newest / piece.file).string());
    const at::Tensor tensor = reader.tensor(piece.key);
    std::string& bytes = out[piece.name];
    const std::size_t size = tensor.nbytes(), at = piece.offset * tensor.itemsize();
    if (bytes.size() < at + size) bytes.resize(at + size);
    std::copy_n(static_cast<const char*>(tensor.const_data_ptr()), size, bytes.begin() + at);
  }
  return out;
}

int processes_with(const std::string& text) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (std::stoi(name) == ::getpid()) continue;
    for (const char* what : {"cmdline", "environ"}) {
      std::ifstream file(entry.path() / what, std::ios::binary);
      const std::string content((std::istreambuf_iterator<char>(file)), {});
      if (content.find(text) != std::string::npos) {
        ++count;
        break;
      }
    }
  }
  return count;
}

}  // namespace trainhost::testing
