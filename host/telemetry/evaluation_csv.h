// A row of an evaluation's CSV file (eval/NAME in the run directory), as sentence-transformers'
// evaluators write theirs: `epoch` and `steps` first, numbers as Python prints floats. Lines end in
// "\n" alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/telemetry/event.h"

namespace trainhost::telemetry {

/// `epoch`: how many have passed, with a fraction within one.
Evaluation::Row evaluation_row(const std::string& file, const std::vector<std::string>& columns,
                               const std::vector<double>& values, double epoch, std::int64_t steps);

/// The fewest digits that read back as the same number, as Python writes them.
std::string python_float(double value);

}  // namespace trainhost::telemetry
