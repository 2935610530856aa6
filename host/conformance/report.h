// What `trainhost check-plugin` shows, as text and as JSON.
//
// Threads and ranks: pure functions.
#pragma once

#include <string>
#include <vector>

#include "host/conformance/suite.h"

namespace trainhost::conformance {

/// A table, how to repeat what failed, the verdict.
std::string render_text(const Subject& subject, const std::vector<CheckResult>& results);

/// {"file", "conforms", "seed", "worlds", "device",
///  "checks": [{"name", "about", "outcome", "detail", "seconds", "repeat"}]}
std::string render_json(const Subject& subject, const std::vector<CheckResult>& results);

/// Names and what they check, for `--list`.
std::string render_list(const std::vector<Check>& checks);

/// The command that runs this check alone, as it was run.
std::string repeat_command(const Subject& subject, const std::string& check);

}  // namespace trainhost::conformance
