#include "host/train/step_costs.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace trainhost::train {
namespace {

/// The smallest value that `fraction` of the sorted ones do not exceed (nearest rank).
double percentile(const std::vector<double>& sorted, double fraction) {
  const auto rank = std::ceil(fraction * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

double median(const std::vector<double>& sorted) {
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

}  // namespace

void StepCosts::Sum::add(std::int64_t more_rows, double more_seconds, std::int64_t more_bytes) {
  ++steps;
  rows += more_rows;
  seconds += more_seconds;
  sent_bytes += more_bytes;
  last.push_back(more_seconds);
  if (last.size() > kKept) last.pop_front();
}

nlohmann::ordered_json StepCosts::Sum::json() const {
  if (steps == 0) return nullptr;
  std::vector<double> sorted(last.begin(), last.end());
  std::ranges::sort(sorted);
  nlohmann::ordered_json out = {{"steps", steps}, {"rows", rows}, {"seconds", seconds}};
  out["samples_per_s"] = seconds > 0 ? nlohmann::ordered_json(double(rows) / seconds) : nullptr;
  out["step_ms"] = {{"median", 1e3 * median(sorted)}, {"p95", 1e3 * percentile(sorted, 0.95)}};
  out["sent_bytes_per_step"] = double(sent_bytes) / double(steps);
  return out;
}

void StepCosts::add(const std::string& objective, std::int64_t rows, double seconds,
                    std::int64_t sent_bytes) {
  all_.add(rows, seconds, sent_bytes);
  objectives_[objective].add(rows, seconds, sent_bytes);
}

nlohmann::ordered_json StepCosts::all() const { return all_.json(); }

nlohmann::ordered_json StepCosts::by_objective() const {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const auto& [name, sum] : objectives_) out[name] = sum.json();
  return out;
}

}  // namespace trainhost::train
