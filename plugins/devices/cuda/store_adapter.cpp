#include "cuda/store_adapter.h"

#include "trainhost/error.h"

namespace cuda {
namespace {

using trainhost::Error;
using trainhost::Failure;

[[noreturn]] void refuse(const char* operation) {
  throw Error(Failure::kPlugin, {.where = "device 'cuda', the store of its process group",
                                 .what = "an operation that trainhost::Store does not have",
                                 .expected = "set, get or wait",
                                 .got = operation});
}

}  // namespace

void StoreAdapter::leave() {
  const std::lock_guard lock(mutex_);
  store_ = nullptr;
}

trainhost::Store& StoreAdapter::store(const char* operation) {
  const std::lock_guard lock(mutex_);
  if (store_ != nullptr) return *store_;
  throw Error(Failure::kPlugin, {.where = "device 'cuda', the store of its process group",
                                 .what = "it was used after the group was made",
                                 .got = operation});
}

c10::intrusive_ptr<c10d::Store> StoreAdapter::clone() {
  return c10::make_intrusive<StoreAdapter>(store("clone"), prefix_);
}

void StoreAdapter::set(const std::string& key, const std::vector<std::uint8_t>& value) {
  store("set").set(prefix_ + key, std::string(value.begin(), value.end()));
}

std::vector<std::uint8_t> StoreAdapter::get(const std::string& key) {
  const std::string value = store("get").get(prefix_ + key);
  return {value.begin(), value.end()};
}

void StoreAdapter::wait(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) get(key);
}

/// The run's time-out is the one that counts.
void StoreAdapter::wait(const std::vector<std::string>& keys, const std::chrono::milliseconds&) {
  wait(keys);
}

std::int64_t StoreAdapter::add(const std::string&, std::int64_t) { refuse("add"); }
bool StoreAdapter::deleteKey(const std::string&) { refuse("deleteKey"); }
bool StoreAdapter::check(const std::vector<std::string>&) { refuse("check"); }
std::int64_t StoreAdapter::getNumKeys() { refuse("getNumKeys"); }

}  // namespace cuda
