// Which machine and which cores this process runs on.
#pragma once

#include <sched.h>

#include <string>

namespace cpu {

/// Equal for two processes that can open each other's files under /proc: the kernel's boot and the
/// name space of process ids.
std::string machine_identity();

/// The cores that the calling thread may use.
cpu_set_t allowed_cores();

}  // namespace cpu
