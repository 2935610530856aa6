// The runs of a case, in one result.
//
// Threads: pure functions.
#pragma once

#include <vector>

#include "host/bench/json.h"
#include "host/bench/sweep.h"

namespace trainhost::bench {

/// What a script gets: the members of a run's result (run_result.h), numbers as medians over the
/// repeats that succeeded, and "label", "recipe", "overrides", "at", "outcome" ("failed" where any
/// run did), "reason", "repeats" (that succeeded), "spread" (of "samples_per_s", "step_ms",
/// "step_ms_p95", "peak_memory_mb", "wall_seconds"), "runs", "log" (of the run that failed, or the
/// last). Warm-ups count only where they fail.
Json case_result(const Case& which, const std::vector<Json>& runs);

/// Numbers become their medians, members of objects are merged by name, all else is the first's.
Json medians(const std::vector<Json>& values);

}  // namespace trainhost::bench
