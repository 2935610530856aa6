#include "cpu/machine.h"

#include <unistd.h>

#include <array>
#include <fstream>

namespace cpu {

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

}  // namespace cpu
