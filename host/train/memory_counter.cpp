#include "host/train/memory_counter.h"

#include <c10/core/CPUAllocator.h>

#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <utility>

namespace trainhost::train {
namespace {

/// Over the default priority 0: nobody replaces it by accident.
constexpr std::uint8_t kPriority = 100;

/// One piece of memory that counts until it is freed.
class Counted {
 public:
  Counted(c10::DataPtr memory, std::int64_t bytes, MemoryCounter& counter)
      : memory_(std::move(memory)), bytes_(bytes), counter_(counter) {
    counter_.add(bytes_);
  }
  ~Counted() { counter_.remove(bytes_); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  const c10::DataPtr memory_;
  const std::int64_t bytes_;
  MemoryCounter& counter_;
};

void free_counted(void* context) {
  const std::unique_ptr<Counted> freed(static_cast<Counted*>(context));
}

class CountingAllocator : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator& inner) : inner_(inner) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    c10::DataPtr memory = inner_.allocate(bytes);
    void* const data = memory.get();
    const c10::Device device = memory.device();
    const auto count = static_cast<std::int64_t>(bytes);
    auto counted = std::make_unique<Counted>(std::move(memory), count, counter_);
    return {data, counted.release(), &free_counted, device};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  MemoryCounter& counter() { return counter_; }

 private:
  c10::Allocator& inner_;
  MemoryCounter counter_;
};

}  // namespace

MemoryCounter& MemoryCounter::install() {
  auto allocator = std::make_unique<CountingAllocator>(*c10::GetCPUAllocator());
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

std::int64_t proportional_resident_bytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::string word;
  while (file >> word) {
    std::int64_t kibibytes = 0;
    if (word == "Pss:" && file >> kibibytes) return kibibytes * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return -1;
}

}  // namespace trainhost::train
