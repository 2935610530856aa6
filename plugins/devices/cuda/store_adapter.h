// StoreAdapter: trainhost::Store as the c10d::Store through which a process group finds its peers.
#pragma once

#include <mutex>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "trainhost/store.h"

namespace cuda {

/// Purpose: what NCCL's process group needs to start: set, get and wait, below a prefix. The other
/// operations of c10d::Store are refused, since trainhost::Store has no way to do them.
/// Owner: the process group holds it for as long as it lives, which is longer than the
/// trainhost::Store may be used: leave() ends that use. Threads and ranks: any.
class StoreAdapter final : public c10d::Store {
 public:
  StoreAdapter(trainhost::Store& store, std::string prefix)
      : store_(&store), prefix_(std::move(prefix)) {}

  /// From now on every call is an Error.
  void leave();

  c10::intrusive_ptr<c10d::Store> clone() override;
  void set(const std::string& key, const std::vector<std::uint8_t>& value) override;
  std::vector<std::uint8_t> get(const std::string& key) override;
  void wait(const std::vector<std::string>& keys) override;
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds&) override;

  std::int64_t add(const std::string& key, std::int64_t value) override;
  bool deleteKey(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override;
  std::int64_t getNumKeys() override;

 private:
  trainhost::Store& store(const char* operation);

  std::mutex mutex_;
  trainhost::Store* store_;  // protected by mutex_; null after leave()
  const std::string prefix_;
};

}  // namespace cuda
