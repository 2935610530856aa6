// cost_report: Costs for people and for scripts.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "host/cli/costs.h"

namespace trainhost::cli {

/// Tables of claims, and of what was predicted and measured; ends with a line end.
std::string costs_text(const Costs& costs);

/// One JSON object: {"parameters", "objectives", "device", "cores", "problem"?, "worlds":
/// [{"ranks", "micro_batches", "rows", "oversubscribed", "strategies": [{"strategy", "own",
/// "claims", "predicted"?, "measured"?, "fits"?}]}], "probed": […]}; bytes and seconds.
std::string costs_json(const Costs& costs);

}  // namespace trainhost::cli
