#include "allocator.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <memory>

#include "guard.h"
#include "settings.h"

namespace standin {
namespace {

constexpr std::size_t kAlignment = 256;

struct Free {
  void operator()(void* data) const { std::free(data); }
};

std::size_t padded(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

struct Allocator::Block {
  std::unique_ptr<void, Free> data;
  std::size_t bytes = 0;
  c10::DeviceIndex device = 0;
};

Allocator& allocator() {
  static Allocator the_allocator;
  return the_allocator;
}

Allocator::Allocator() : used_(static_cast<std::size_t>(device_count())) {}

c10::DataPtr Allocator::allocate(std::size_t wanted) {
  const c10::DeviceIndex index = current_device();
  const c10::Device device(c10::DeviceType::PrivateUse1, index);
  if (wanted == 0) return {nullptr, device};
  const std::size_t bytes = padded(wanted), limit = memory_bytes(index);
  {
    const std::lock_guard lock(mutex_);
    auto& used = used_[static_cast<std::size_t>(index)];
    const auto present = static_cast<std::size_t>(used.current);
    TORCH_CHECK_WITH(OutOfMemoryError, present + bytes <= limit, "stand-in ", int{index},
                     " has no room for ", bytes, " bytes: ", present, " of ", limit, " are in use");
    used.increase(bytes);
  }
  auto block = std::make_unique<Block>();
  block->data.reset(std::aligned_alloc(kAlignment, bytes));
  block->bytes = bytes;
  block->device = index;
  TORCH_CHECK_WITH(OutOfMemoryError, block->data != nullptr, "the host has no memory left");
  void* const data = block->data.get();
  {
    const std::lock_guard lock(mutex_);
    blocks_.emplace(reinterpret_cast<std::uintptr_t>(data), block.get());
  }
  return {data, block.release(), &Allocator::free_block, device};
}

void Allocator::free_block(void* context) {
  const std::unique_ptr<Block> block(static_cast<Block*>(context));
  Allocator& self = allocator();
  const std::lock_guard lock(self.mutex_);
  self.used_[static_cast<std::size_t>(block->device)].decrease(block->bytes);
  self.blocks_.erase(reinterpret_cast<std::uintptr_t>(block->data.get()));
}

c10::DeviceIndex Allocator::device_of(const void* data) {
  const auto place = reinterpret_cast<std::uintptr_t>(data);
  const std::lock_guard lock(mutex_);
  auto at = blocks_.upper_bound(place);
  if (at == blocks_.begin()) return -1;
  --at;
  return place <= at->first + at->second->bytes ? at->second->device : c10::DeviceIndex{-1};
}

void Allocator::copy_data(void* to, const void* from, std::size_t bytes) const {
  default_copy_data(to, from, bytes);
}

c10::CachingDeviceAllocator::DeviceStats Allocator::getDeviceStats(c10::DeviceIndex device) {
  const std::lock_guard lock(mutex_);
  c10::CachingDeviceAllocator::DeviceStats out;
  out.allocated_bytes[0] = used_[static_cast<std::size_t>(device)];
  return out;
}

void Allocator::resetAccumulatedStats(c10::DeviceIndex device) {
  const std::lock_guard lock(mutex_);
  used_[static_cast<std::size_t>(device)].reset_accumulated();
}

void Allocator::resetPeakStats(c10::DeviceIndex device) {
  const std::lock_guard lock(mutex_);
  used_[static_cast<std::size_t>(device)].reset_peak();
}

std::pair<std::size_t, std::size_t> Allocator::getMemoryInfo(c10::DeviceIndex device) {
  const std::lock_guard lock(mutex_);
  const std::size_t total = memory_bytes(device);
  const auto used = static_cast<std::size_t>(used_[static_cast<std::size_t>(device)].current);
  return {total - std::min(total, used), total};
}

}  // namespace standin
