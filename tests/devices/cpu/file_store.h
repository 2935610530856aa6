// A store of files in a folder: enough for tests and benchmarks whose ranks are processes.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "trainhost/error.h"
#include "trainhost/store.h"

class FileStore final : public trainhost::Store {
 public:
  FileStore(std::filesystem::path folder, double timeout_seconds)
      : folder_(std::move(folder)), timeout_(timeout_seconds) {}

  void set(std::string_view key, std::string_view value) override {
    const std::filesystem::path target = file_of(key);
    const std::string aside = target.string() + "." + std::to_string(::getpid());
    std::ofstream(aside) << value;
    std::filesystem::rename(aside, target);
  }

  std::string get(std::string_view key) override {
    const auto deadline = std::chrono::steady_clock::now() + timeout_;
    while (std::chrono::steady_clock::now() < deadline) {
      if (std::ifstream file(file_of(key)); file) {
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    throw trainhost::Error(trainhost::Failure::kRankLost,
                           {.where = "file store", .what = "no key " + std::string(key)});
  }

 private:
  std::filesystem::path file_of(std::string_view key) const {
    std::string name(key);
    std::ranges::replace(name, '/', '_');
    return folder_ / name;
  }

  std::filesystem::path folder_;
  std::chrono::duration<double> timeout_;
};
