// Which machine and which cores this process runs on.
#pragma once

#include <sched.h>

#include <string>

namespace shared_memory {

/// Equal for two processes that can open each other's files under /proc: the kernel's boot and the
/// name space of process ids.
std::string machine_identity();

/// The cores that the calling thread may use.
cpu_set_t allowed_cores();

/// How many of `cores` the control groups let it use at a time, at least one.
int core_quota(int cores);

/// "Intel(R) Xeon(R) Processor", or "CPU" where the system does not tell.
std::string processor_name();

}  // namespace shared_memory
