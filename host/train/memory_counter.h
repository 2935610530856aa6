// MemoryCounter: the bytes of tensors in CPU memory that this process holds, and held at most.
//
// Purpose: what a step needs, for `describe --probe` and `--measure`; resident memory would also
// show what malloc keeps, and count shared pages once for each rank. Owner: the process; it never
// ends, since a tensor may outlive anything. Threads and ranks: any thread; ranks that are threads
// share it.
#pragma once

#include <atomic>
#include <cstdint>

namespace trainhost::train {

class MemoryCounter {
 public:
  /// Puts a counting allocator before LibTorch's own for the rest of the process. Tensors made
  /// earlier are not counted. To be called once. `limit`: bytes; what would exceed them together
  /// is refused (c10::OutOfMemoryError), as a device with so much memory does; 0: no limit.
  static MemoryCounter& install(std::int64_t limit = 0);

  void add(std::int64_t bytes) noexcept;
  void remove(std::int64_t bytes) noexcept { current_ -= bytes; }

  std::int64_t current() const { return current_; }
  /// The most since reset_peak.
  std::int64_t peak() const { return peak_; }
  void reset_peak() { peak_ = current_.load(); }

 private:
  std::atomic<std::int64_t> current_ = 0, peak_ = 0;
};

/// This process's share of the pages it uses (PSS of /proc/self/smaps_rollup), bytes; -1 where the
/// system does not tell.
std::int64_t proportional_resident_bytes();

/// The most that was resident since the process began, shared pages included (VmHWM); -1 as above.
std::int64_t most_resident_bytes();

}  // namespace trainhost::train
