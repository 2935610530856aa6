#include "sbert/evaluator.h"

#include "trainhost/error.h"

namespace sbert {

double EvaluatorResult::metric(std::string_view name) const {
  std::string known;
  for (const auto& [candidate, value] : metrics) {
    if (candidate == name) return value;
    known += (known.empty() ? "" : ", ") + candidate;
  }
  throw trainhost::Error(
      trainhost::Failure::kUser,
      {.where = "sbert", .what = "unknown metric", .expected = known, .got = std::string(name)});
}

std::string named(const EvaluatorSettings& settings, const std::string& metric) {
  return settings.name.empty() ? metric : settings.name + "_" + metric;
}

std::string csv_file(const std::string& prefix, const EvaluatorSettings& settings) {
  return prefix + (settings.name.empty() ? "" : "_" + settings.name) + "_results.csv";
}

}  // namespace sbert
