#include "host/train/tcp_store.h"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "trainhost/error.h"

namespace trainhost::train {
namespace {

constexpr std::chrono::milliseconds kPoll{2};

/// `get` in terms of `wait`: both stores share the time-out and the look at the abort signal.
class PollingStore : public RunStore {
 public:
  PollingStore(AbortSignal abort, double timeout) : abort_(abort), timeout_(timeout) {}

  std::string get(std::string_view key) override {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::duration<double>(timeout_);
    return wait(key, [&] {
      if (abort_.raised()) {
        throw Error(Failure::kRankLost,
                    {.where = "rendezvous",
                     .what = "the run was ended while waiting for '" + std::string(key) + "'"});
      }
      if (Clock::now() > deadline) {
        throw Error(Failure::kRankLost,
                    {.where = "rendezvous",
                     .what = "no rank set '" + std::string(key) + "' within " +
                             std::to_string(static_cast<int>(timeout_)) + " s",
                     .fix = "raise train.timeout if the ranks start at very different times"});
      }
    });
  }

  std::string wait(std::string_view key, const std::function<void()>& keep_waiting) override {
    for (;;) {
      if (auto value = try_get(std::string(key))) return *value;
      keep_waiting();
      std::this_thread::sleep_for(kPoll);
    }
  }

 protected:
  virtual std::optional<std::string> try_get(const std::string& key) = 0;

 private:
  const AbortSignal abort_;
  const double timeout_;
};

class MemoryStore : public PollingStore {
 public:
  using PollingStore::PollingStore;
  void set(std::string_view key, std::string_view value) override {
    const std::lock_guard lock(mutex_);
    values_[std::string(key)] = value;
  }

 protected:
  std::optional<std::string> try_get(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> values_;
};

class TcpStore : public PollingStore {
 public:
  TcpStore(c10::intrusive_ptr<c10d::TCPStore> store, AbortSignal abort, double timeout)
      : PollingStore(abort, timeout), store_(std::move(store)) {}

  void set(std::string_view key, std::string_view value) override {
    store_->set(std::string(key), std::vector<std::uint8_t>(value.begin(), value.end()));
  }

 protected:
  std::optional<std::string> try_get(const std::string& key) override {
    if (!store_->check({key})) return std::nullopt;
    const std::vector<std::uint8_t> value = store_->get(key);
    return std::string(value.begin(), value.end());
  }

 private:
  c10::intrusive_ptr<c10d::TCPStore> store_;
};

}  // namespace

std::unique_ptr<RunStore> make_store(const launch::RankEnvironment& environment, AbortSignal abort,
                                     double timeout_seconds) {
  if (environment.world == 1) return std::make_unique<MemoryStore>(abort, timeout_seconds);
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(environment.master_port);
  options.isServer = environment.rank == 0 && !environment.agent_store;
  options.waitWorkers = false;
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout_seconds * 1000));
  if (options.isServer && environment.listen_fd >= 0) {
    options.masterListenFd = environment.listen_fd;
  }
  try {
    return std::make_unique<TcpStore>(
        c10::make_intrusive<c10d::TCPStore>(environment.master_address, options), abort,
        timeout_seconds);
  } catch (const std::exception& error) {
    throw Error(Failure::kRankLost,
                {.where = "rendezvous at " + environment.master_address + ":" +
                          std::to_string(environment.master_port),
                 .what = "the run's store cannot be reached",
                 .got = error.what(),
                 .fix = "check MASTER_ADDR and MASTER_PORT, and that rank 0 has started"});
  }
}

}  // namespace trainhost::train
