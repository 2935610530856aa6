// A folder of its own for each test, gone after it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace trainhost_test {

struct Scratch {
  std::filesystem::path path;

  Scratch() {
    std::string name = std::filesystem::temp_directory_path() / "trainhost-telemetry-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

inline std::string read(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return std::move(out).str();
}

}  // namespace trainhost_test
