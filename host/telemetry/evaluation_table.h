// The table of an evaluation: a row a metric, a column a cut-off, the baseline beside each value.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <limits>
#include <string>

#include "host/telemetry/event.h"

namespace trainhost::telemetry {

inline constexpr std::size_t kAnyWidth = std::numeric_limits<std::size_t>::max();

/// Metrics named "recall@20" make a row "recall" with a column "@20"; others a row of their own
/// with one value. The watched metric carries a '*' where this evaluation is the best so far. Where
/// the columns do not fit into `width`, the table goes on below. Ends in a line feed; "" without
/// metrics.
///
///             @20               @40
///   recall    0.1432 (0.1220)*  0.2011 (0.1804)
std::string evaluation_table(const Evaluation& evaluation, std::size_t width = kAnyWidth);

}  // namespace trainhost::telemetry
