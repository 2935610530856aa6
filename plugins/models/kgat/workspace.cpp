#include "workspace.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

namespace kgat {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

Memory allocate(std::size_t size) {
  Memory memory(std::aligned_alloc(kHugePage, size));
  if (!memory) throw std::bad_alloc();
  ::madvise(memory.get(), size, MADV_HUGEPAGE);  // a wish: refused, the memory serves all the same
  return memory;
}

}  // namespace

class Workspace::Pool {
 public:
  Memory take(std::size_t size) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = free_.lower_bound(size);
      if (found != free_.end() && found->first <= 2 * size) {
        Memory memory = std::move(found->second);
        sizes_[memory.get()] = found->first;
        free_.erase(found);
        return memory;
      }
    }
    Memory memory = allocate(size);
    const std::lock_guard lock(mutex_);
    sizes_[memory.get()] = size;
    return memory;
  }

  void give_back(void* memory) {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(memory);
    free_.emplace(found->second, Memory(memory));
    sizes_.erase(found);
  }

 private:
  std::mutex mutex_;
  // State below is protected by mutex_.
  std::multimap<std::size_t, Memory> free_;
  std::map<void*, std::size_t> sizes_;  // of what is out
};

Workspace::Workspace() : pool_(std::make_shared<Pool>()) {}

at::Tensor Workspace::floats(std::int64_t rows, std::int64_t columns) {
  return make(rows, columns, at::kFloat);
}

at::Tensor Workspace::bytes(std::int64_t rows, std::int64_t columns) {
  return make(rows, columns, at::kByte);
}

at::Tensor Workspace::make(std::int64_t rows, std::int64_t columns, at::ScalarType type) {
  const auto size = static_cast<std::size_t>(rows * columns) * c10::elementSize(type);
  if (size < kHugePage) return at::empty({rows, columns}, type);
  void* memory = pool_->take((size + kHugePage - 1) / kHugePage * kHugePage).release();
  return at::from_blob(
      memory, {rows, columns}, [pool = pool_](void* done) { pool->give_back(done); }, type);
}

}  // namespace kgat
