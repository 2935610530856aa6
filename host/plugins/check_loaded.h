// In trainhost-rank, `--check-plugin FILE NAME`: the checks that load the plugin.
//
// Threads and ranks: the program's main thread, which does nothing else.
#pragma once

#include <string>

namespace trainhost::plugins {

/// Runs the check `name` ("load", "descriptor") and returns its result as one line of JSON
/// (check_result.h), which the program prints to stdout.
std::string check_loaded(const std::string& file, const std::string& name);

}  // namespace trainhost::plugins
