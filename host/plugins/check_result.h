// How the process of a check tells its result: one line of JSON, {"detail", "outcome"}.
//
// Threads and ranks: pure functions, any thread.
#pragma once

#include <functional>
#include <string>

namespace trainhost::plugins {

/// Runs a check, which returns what is worth knowing or throws Error, and renders how it went.
std::string result_line(const std::function<std::string()>& check);

}  // namespace trainhost::plugins
