// What is known of the machine that was measured on.
//
// Threads: the program's only thread.
#pragma once

#include "host/bench/json.h"

namespace trainhost::bench {

/// {"processor", "cores" (that this process may use), "memory_mb", "system", "version"}; devices
/// are added by who asks the plugins.
Json machine_facts();

/// Mean number of processes that wanted to run in the last minute; -1: not known.
double load_now();

}  // namespace trainhost::bench
