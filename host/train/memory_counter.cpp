#include "host/train/memory_counter.h"

#include <c10/core/CPUAllocator.h>

#include <cstddef>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace trainhost::train {
namespace {

/// Over the default priority 0: nobody replaces it by accident.
constexpr std::uint8_t kPriority = 100;

/// Stands before the bytes that are handed out: LibTorch wants to free by their address alone.
struct Header {
  c10::DataPtr memory;
  std::int64_t bytes;
  MemoryCounter& counter;
};
/// Of what LibTorch's own allocator gives, and kept by what stands behind the header.
constexpr std::size_t kAlignment = 64;
static_assert(sizeof(Header) <= kAlignment);

void free_counted(void* data) {
  if (data == nullptr) return;
  auto* header = reinterpret_cast<Header*>(static_cast<std::byte*>(data) - kAlignment);
  header->counter.remove(header->bytes);
  const c10::DataPtr memory = std::move(header->memory);  // freed at the end
  std::destroy_at(header);
}

class CountingAllocator : public c10::Allocator {
 public:
  CountingAllocator(c10::Allocator& inner, std::int64_t limit) : inner_(inner), limit_(limit) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &free_counted, c10::Device(c10::kCPU)};
    const auto count = static_cast<std::int64_t>(bytes);
    TORCH_CHECK_WITH(OutOfMemoryError, limit_ == 0 || counter_.current() + count <= limit_,
                     "train.memory_limit: ", count, " bytes more than the ", counter_.current(),
                     " that are held exceed the limit of ", limit_);
    c10::DataPtr memory = inner_.allocate(bytes + kAlignment);
    auto* const begin = static_cast<std::byte*>(memory.get());
    std::construct_at(reinterpret_cast<Header*>(begin), std::move(memory), count, counter_);
    counter_.add(count);
    void* const data = begin + kAlignment;
    return {data, data, &free_counted, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_counted; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  MemoryCounter& counter() { return counter_; }

 private:
  c10::Allocator& inner_;
  const std::int64_t limit_;
  MemoryCounter counter_;
};

/// What follows `key` in a file of the system, as bytes.
std::int64_t kibibytes(const char* path, std::string_view key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    std::int64_t number = 0;
    if (word == key && file >> number) return number * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return -1;
}

}  // namespace

MemoryCounter& MemoryCounter::install(std::int64_t limit) {
  auto allocator = std::make_unique<CountingAllocator>(*c10::GetCPUAllocator(), limit);
  MemoryCounter& counter = allocator->counter();
  c10::SetCPUAllocator(allocator.release(), kPriority);  // LibTorch takes it over
  return counter;
}

void MemoryCounter::add(std::int64_t bytes) noexcept {
  const std::int64_t now = current_.fetch_add(bytes) + bytes;
  std::int64_t peak = peak_;
  while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
  }
}

std::int64_t proportional_resident_bytes() { return kibibytes("/proc/self/smaps_rollup", "Pss:"); }

std::int64_t most_resident_bytes() { return kibibytes("/proc/self/status", "VmHWM:"); }

}  // namespace trainhost::train
