// The functions of the library `bench` that make no runs.
//
// Threads: the program's only thread.
#pragma once

#include <string>

#include "host/bench/options.h"
#include "host/recipe/sandbox.h"

namespace trainhost::bench {

/// Borrows `options`.
recipe::HostFunction option_function(ScriptOptions& options);
recipe::HostFunction machine_function(const Json& machine);
recipe::HostFunction spread_function();

/// Runs a script up to its first function other than these: `options` then knows all that it
/// declares. Throws Error as Sandbox::run_script.
void declare_options(const std::string& source, const std::string& file, ScriptOptions& options);

}  // namespace trainhost::bench
