#include "shared_memory/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "shared_memory/control_group.h"

namespace shared_memory {
namespace {

/// Narrows `memory` by what this group allows; memory that holds files counts as free.
void narrow(MachineMemory& memory, const ControlGroup& group) {
  const bool second = group.version == 2;
  const auto limit = number_in(group.folder + (second ? "/memory.max" : "/memory.limit_in_bytes"));
  const auto usage =
      number_in(group.folder + (second ? "/memory.current" : "/memory.usage_in_bytes"));
  // Version 1 writes a huge number for "no limit".
  if (!limit || !usage || *limit >= memory.total) return;
  const auto files =
      number_after(group.folder + "/memory.stat", second ? "inactive_file" : "total_inactive_file");
  memory.total = *limit;
  memory.free = std::clamp<std::int64_t>(*limit - *usage + files.value_or(0), 0, memory.free);
}

}  // namespace

MachineMemory machine_memory() {
  const auto total = number_after("/proc/meminfo", "MemTotal:");
  const auto free = number_after("/proc/meminfo", "MemAvailable:");
  if (!total || !free) return {};
  MachineMemory memory{*total * 1024, *free * 1024};
  for (const ControlGroup& group : control_groups("memory")) narrow(memory, group);
  return memory;
}

ProcessMemory process_memory() {
  ProcessMemory memory;
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  if (statm >> size >> resident) memory.resident = resident * ::sysconf(_SC_PAGESIZE);
  // The kernel updates the two at different times; a peak below the present would be no peak.
  if (const auto peak = number_after("/proc/self/status", "VmHWM:")) {
    memory.peak_resident = std::max(*peak * 1024, memory.resident);
  }
  return memory;
}

void reset_process_peak() {
  const int fd = ::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const auto written = ::write(fd, "5", 1);
  ::close(fd);
}

}  // namespace shared_memory
