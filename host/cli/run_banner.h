// The banner of a run: what will happen, before anything does.
//
// Threads: pure function of its arguments and of the variables that restrict devices.
#pragma once

#include "host/cli/prepared_run.h"
#include "host/telemetry/console.h"

namespace trainhost::cli {

/// `run_directory`: "" where this process keeps none.
telemetry::Banner run_banner(const PreparedRun& run, const std::string& run_directory);

}  // namespace trainhost::cli
