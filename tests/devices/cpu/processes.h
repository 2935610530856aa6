// Ranks as processes: starts cpu_rank for each and collects what they say.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "file_store.h"
#include "trainhost/abort.h"

class Processes {
 public:
  Processes(const std::string& scenario, int world) : store_(make_folder(), 60) {
    const std::string program =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cpu_rank").string();
    for (int rank = 0; rank < world; ++rank) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::execl(program.c_str(), program.c_str(), scenario.c_str(), folder_.c_str(),
                std::to_string(rank).c_str(), std::to_string(world).c_str(), nullptr);
        ::_exit(127);
      }
      ranks_.push_back(child);
    }
  }
  ~Processes() {
    for (const pid_t rank : ranks_) {
      ::kill(rank, SIGKILL);
      ::waitpid(rank, nullptr, 0);
    }
    ::munmap(page_, 4096);
    std::filesystem::remove_all(folder_);
  }
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  trainhost::AbortSignal abort() const {
    return trainhost::AbortSignal(*static_cast<std::atomic<std::uint32_t>*>(page_));
  }
  void wait_until_running() {
    for (std::size_t r = 0; r < ranks_.size(); ++r) store_.get("running" + std::to_string(r));
  }
  void kill(std::size_t rank) { ::kill(ranks_[rank], SIGKILL); }

  /// Waits for all to end; what each rank said, or "" where it was killed.
  std::vector<std::string> said() {
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      ::waitpid(ranks_[r], nullptr, 0);
      std::ifstream file(folder_ + "/out." + std::to_string(r));
      std::ostringstream text;
      if (file) text << file.rdbuf();
      texts.push_back(text.str());
    }
    ranks_.clear();
    return texts;
  }

 private:
  std::string make_folder() {
    folder_ = (std::filesystem::temp_directory_path() / "cpu_ranks.XXXXXX").string();
    if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    const int file = ::open((folder_ + "/abort").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (::ftruncate(file, 4096) != 0) throw std::runtime_error("ftruncate failed");
    page_ = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    return folder_;
  }

  std::string folder_;
  void* page_ = nullptr;
  FileStore store_;
  std::vector<pid_t> ranks_;
};
