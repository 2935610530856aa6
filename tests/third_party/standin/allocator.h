// The memory of the pretended devices: host memory, counted and limited for each.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

namespace standin {

/// Purpose: what ATen asks for memory of a device; more than settings.h allows is an
/// OutOfMemoryError. Owner: the process, until its end. Threads: any.
class Allocator final : public c10::DeviceAllocator {
 public:
  Allocator();

  c10::DataPtr allocate(std::size_t bytes) override;
  void copy_data(void* to, const void* from, std::size_t bytes) const override;

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override;
  void resetAccumulatedStats(c10::DeviceIndex device) override;
  void resetPeakStats(c10::DeviceIndex device) override;
  std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex device) override;

  /// The device in whose memory `data` lies; -1 where it lies in none.
  c10::DeviceIndex device_of(const void* data);

 private:
  struct Block;
  static void free_block(void* block);

  std::mutex mutex_;
  // State below is protected by mutex_.
  std::vector<c10::CachingAllocator::Stat> used_;  // by device
  std::map<std::uintptr_t, const Block*> blocks_;  // by their beginning
};

Allocator& allocator();

}  // namespace standin
