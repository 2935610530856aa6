#include "shared_memory/machine.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "shared_memory/control_group.h"

namespace shared_memory {

std::string machine_identity() {
  std::string boot = "unknown";
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::array<char, 64> name_space{};
  const auto length = ::readlink("/proc/self/ns/pid", name_space.data(), name_space.size());
  return boot + "/" + std::string(name_space.data(), length > 0 ? length : 0);
}

cpu_set_t allowed_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof(cores), &cores) != 0) CPU_SET(0, &cores);
  return cores;
}

int core_quota(int cores) {
  for (const ControlGroup& group : control_groups("cpu")) {
    std::int64_t quota = 0, period = 0;
    if (group.version == 2) {
      std::ifstream(group.folder + "/cpu.max") >> quota >> period;  // "max 100000": no quota
    } else {
      quota = number_in(group.folder + "/cpu.cfs_quota_us").value_or(-1);
      period = number_in(group.folder + "/cpu.cfs_period_us").value_or(0);
    }
    if (quota > 0 && period > 0) {
      const std::int64_t whole = std::max<std::int64_t>(1, quota / period);
      cores = static_cast<int>(std::min<std::int64_t>(cores, whole));
    }
  }
  return std::max(1, cores);
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

}  // namespace shared_memory
