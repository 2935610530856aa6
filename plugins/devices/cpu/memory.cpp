#include "cpu/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace cpu {
namespace {

std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

/// The value of a line "Key:  123 kB" or "key 123".
std::int64_t field_of(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    if (word == key) {
      std::int64_t value = -1;
      file >> value;
      return value;
    }
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return -1;
}

struct Files {
  std::string mount, limit, usage, reclaimable;
};

/// Narrows `memory` by the limits of the control group at `path` and of all above it.
void narrow(MachineMemory& memory, const Files& files, std::string path) {
  while (true) {
    const std::string folder = files.mount + path;
    const auto limit = number_in(folder + "/" + files.limit);
    const auto usage = number_in(folder + "/" + files.usage);
    // Version 1 writes a huge number for "no limit".
    if (limit && usage && *limit < memory.total) {
      const auto cache =
          std::max<std::int64_t>(0, field_of(folder + "/memory.stat", files.reclaimable));
      memory.total = *limit;
      memory.free = std::min(memory.free, std::max<std::int64_t>(0, *limit - (*usage - cache)));
    }
    if (path.empty() || path == "/") return;
    path.resize(path.rfind('/'));
  }
}

}  // namespace

MachineMemory machine_memory() {
  MachineMemory memory;
  memory.total = field_of("/proc/meminfo", "MemTotal:") * 1024;
  memory.free = field_of("/proc/meminfo", "MemAvailable:") * 1024;
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controller = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path.find("..") != std::string::npos) path.clear();
    if (controller.empty()) {
      narrow(memory, {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"}, path);
    } else if (controller == "memory") {
      narrow(memory,
             {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
              "total_inactive_file"},
             path);
    }
  }
  return memory;
}

ProcessMemory process_memory() {
  ProcessMemory memory;
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  if (statm >> size >> resident) memory.resident = resident * ::sysconf(_SC_PAGESIZE);
  const std::int64_t peak = field_of("/proc/self/status", "VmHWM:");
  // The kernel updates the two at different times; a peak below the present would be no peak.
  if (peak >= 0) memory.peak_resident = std::max(peak * 1024, memory.resident);
  return memory;
}

void reset_process_peak() {
  const int fd = ::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const auto written = ::write(fd, "5", 1);
  ::close(fd);
}

}  // namespace cpu
