// ProcessUsage: what this process holds of the machine, to see whether it keeps growing.
//
// Threads and ranks: any thread; the figures are of the whole process.
#pragma once

#include <cstdint>

namespace trainhost::train {

struct ProcessUsage {
  std::int64_t heap = 0;         ///< bytes that malloc has given out and not got back
  std::int64_t resident = 0;     ///< bytes of memory
  std::int64_t mappings = 0;     ///< of files, devices and shared memory
  std::int64_t descriptors = 0;  ///< open files, sockets, memory
  std::int64_t threads = 0;

  static ProcessUsage now();
};

}  // namespace trainhost::train
