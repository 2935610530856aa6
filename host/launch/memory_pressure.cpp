#include "host/launch/memory_pressure.h"

#include <fstream>
#include <sstream>

namespace trainhost::launch {
namespace {

// The number behind `key` in a file of "key number" lines; -1: not there.
long counter(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string name;
  long value = 0;
  while (in >> name >> value) {
    if (name == key) return value;
  }
  return -1;
}

// The folder of this process's control group, version 2 or the memory controller of version 1.
std::string group_file() {
  std::ifstream in("/proc/self/cgroup");
  std::string line;
  while (std::getline(in, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) return "/sys/fs/cgroup" + path + "/memory.events";
    if (controllers == "memory") return "/sys/fs/cgroup/memory" + path + "/memory.oom_control";
  }
  return {};
}

long machine_kills() { return counter("/proc/vmstat", "oom_kill"); }
long group_kills() { return counter(group_file(), "oom_kill"); }

}  // namespace

MemoryPressure::MemoryPressure() : machine_(machine_kills()), group_(group_kills()) {}

std::string MemoryPressure::hint() const {
  const std::string fix =
      "use a smaller train.batch (with a larger train.accumulate), fewer ranks, or more memory";
  if (group_ >= 0 && group_kills() > group_) {
    return "the control group ran out of memory, and the kernel killed a process of it: " + fix;
  }
  if (machine_ >= 0 && machine_kills() > machine_) {
    return "the machine ran out of memory, and the kernel killed a process: " + fix;
  }
  return {};
}

}  // namespace trainhost::launch
