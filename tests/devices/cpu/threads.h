// Ranks as threads of this process.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cpu/device.h"

class Threads {
 public:
  /// Makes the ends of the group: by default the device's own.
  using Connect = std::function<std::vector<std::unique_ptr<trainhost::Communicator>>(
      std::span<trainhost::DeviceSession* const>, const trainhost::OpenOptions&)>;

  explicit Threads(int world, double timeout_seconds = 60, const Connect& connect = {})
      : options_{.threads = 1,
                 .timeout_seconds = timeout_seconds,
                 .abort = trainhost::AbortSignal(word_)} {
    std::vector<trainhost::DeviceSession*> sessions;
    for (int r = 0; r < world; ++r) {
      sessions_.push_back(device_->open(r, options_));
      sessions.push_back(sessions_.back().get());
    }
    groups_ =
        connect ? connect(sessions, options_) : device_->local_communicators(sessions, options_);
  }

  trainhost::AbortSignal abort() const { return options_.abort; }
  trainhost::Communicator& group(int rank) { return *groups_[static_cast<std::size_t>(rank)]; }
  void destroy(int rank) { groups_[static_cast<std::size_t>(rank)].reset(); }

  /// Runs `body` on every rank at once; what each threw, or "".
  std::vector<std::string> run(const std::function<void(trainhost::Communicator&)>& body) {
    std::vector<std::string> errors(groups_.size());
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < groups_.size(); ++r) {
      threads.emplace_back([&, r] {
        try {
          body(*groups_[r]);
        } catch (const std::exception& error) {
          errors[r] = error.what();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return errors;
  }

 private:
  std::atomic<std::uint32_t> word_{0};
  trainhost::OpenOptions options_;
  std::unique_ptr<trainhost::Device> device_ = cpu::make_device();
  std::vector<std::unique_ptr<trainhost::DeviceSession>> sessions_;
  std::vector<std::unique_ptr<trainhost::Communicator>> groups_;
};
