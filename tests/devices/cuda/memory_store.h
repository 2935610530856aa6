// A store in memory, for ranks that are threads of a test.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "trainhost/error.h"
#include "trainhost/store.h"

class MemoryStore final : public trainhost::Store {
 public:
  explicit MemoryStore(double timeout_seconds = 10) : timeout_(timeout_seconds) {}

  void set(std::string_view key, std::string_view value) override {
    const std::lock_guard lock(mutex_);
    values_[std::string(key)] = value;
    changed_.notify_all();
  }

  std::string get(std::string_view key) override {
    std::unique_lock lock(mutex_);
    const std::string name(key);
    if (!changed_.wait_for(lock, timeout_, [&] { return values_.contains(name); })) {
      throw trainhost::Error(trainhost::Failure::kRankLost,
                             {.where = "store", .what = "no rank set '" + name + "'"});
    }
    return values_.at(name);
  }

  bool has(const std::string& key) {
    const std::lock_guard lock(mutex_);
    return values_.contains(key);
  }

 private:
  const std::chrono::duration<double> timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
};
