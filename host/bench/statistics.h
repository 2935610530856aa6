// What is said of a figure that was measured several times.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "host/bench/json.h"

namespace trainhost::bench {

struct Spread {
  std::int64_t count = 0;
  double median = 0, min = 0, max = 0;
  double mad = 0;  ///< median of the distances from the median
};

/// Values that are not finite are left out; without any, count is 0.
Spread spread_of(std::vector<double> values);

/// {"median", "min", "max", "mad", "count"}; null for none.
Json to_json(const Spread& spread);

}  // namespace trainhost::bench
