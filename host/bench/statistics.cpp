#include "host/bench/statistics.h"

#include <algorithm>
#include <cmath>

namespace trainhost::bench {
namespace {

double median_of(std::vector<double>& values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  Spread out;
  if (values.empty()) return out;
  out.count = std::ssize(values);
  out.median = median_of(values);
  out.min = values.front();
  out.max = values.back();
  for (double& value : values) value = std::fabs(value - out.median);
  out.mad = median_of(values);
  return out;
}

Json to_json(const Spread& spread) {
  if (spread.count == 0) return nullptr;
  return {{"median", spread.median},
          {"min", spread.min},
          {"max", spread.max},
          {"mad", spread.mad},
          {"count", spread.count}};
}

}  // namespace trainhost::bench
