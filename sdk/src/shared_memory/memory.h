// How much memory the machine and this process have.
//
// Purpose: the figures behind DeviceSession::memory. Threads and ranks: any.
#pragma once

#include <cstdint>

namespace shared_memory {

/// Bytes; -1 where the system does not tell.
struct MachineMemory {
  std::int64_t total = -1;  ///< the smaller of the machine's memory and the control group's limit
  std::int64_t free = -1;   ///< the smaller of what the machine and the control group have left
};
MachineMemory machine_memory();

struct ProcessMemory {
  std::int64_t resident = -1;
  std::int64_t peak_resident = -1;
};
/// Resident pages, shared ones included. ATen's CPU allocator keeps no count without its profiler.
ProcessMemory process_memory();

/// Makes the present resident size the peak; without effect where the kernel does not allow it.
void reset_process_peak();

}  // namespace shared_memory
