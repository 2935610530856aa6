// What came of one run: its run directory, read.
//
// Threads: pure functions of the file system.
#pragma once

#include <string>

#include "host/bench/child_process.h"
#include "host/bench/json.h"

namespace trainhost::bench {

/// {"outcome": "done" | "failed", "exit_code", "reason" (null where done), "wall_seconds", and of a
/// run that trained: "samples_per_s", "step_ms": {"median", "p95"}, "objectives", "seconds" by
/// phase, "peak_memory_mb" (most of a rank), "memory_mb_by_rank", "sent_bytes_per_step", "claims"
/// with "sent_bytes_per_step", "final", "best", "baseline", "watched", "steps", "epochs", "ranks",
/// "strategy", "model", "precision", "device", "stand_in", "fallback"}.
Json read_result(const ChildEnd& end, const std::string& run_directory, const std::string& log);

/// Why a child failed, in a line: what it said last as an error, or how it ended.
std::string reason_of(const ChildEnd& end, const std::string& log);

}  // namespace trainhost::bench
