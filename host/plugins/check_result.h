// What comes of a conformance check, and how the process that runs it tells: one line of JSON,
// {"detail", "outcome"}.
//
// Threads and ranks: pure functions, any thread.
#pragma once

#include <functional>
#include <string>

#include "host/plugins/child.h"

namespace trainhost::plugins {

/// kCrash: the process was ended by a signal, by its time-out, or said nothing.
enum class Outcome { kPass, kFail, kSkip, kCrash };

/// "pass", "fail", "skip", "crash".
const char* outcome_name(Outcome outcome);

/// What a check throws where there is nothing to be checked.
struct CheckSkipped {
  std::string reason;
};
/// What a check throws where a process that it started crashed; anything else thrown is a failure.
struct CheckCrashed {
  std::string reason;
};

/// Runs a check, which returns what is worth knowing or throws, and renders how it went.
std::string result_line(const std::function<std::string()>& check);

struct ReadResult {
  Outcome outcome = Outcome::kPass;
  std::string detail;
};

/// What a child process whose last line is a result said, or how it ended instead.
ReadResult read_result(const ChildResult& child);

}  // namespace trainhost::plugins
