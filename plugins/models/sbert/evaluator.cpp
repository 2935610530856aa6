#include "sbert/evaluator.h"

#include <array>
#include <charconv>
#include <cmath>

#include "trainhost/error.h"

namespace sbert {

std::string CsvLine::header() const {
  std::string out = "epoch,steps";
  for (const std::string& column : columns) out += "," + column;
  return out + line_end;
}

std::string CsvLine::row(double epoch, std::int64_t steps) const {
  std::string out = epoch == std::floor(epoch) && epoch < 0 ? "-1" : python_float(epoch);
  out += "," + std::to_string(steps);
  for (const double value : values) out += "," + python_float(value);
  return out + line_end;
}

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

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // Python writes positions from 1e-4 to 1e16 without an exponent.
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string out(text.data(), end.ptr);
  if (plain && out.find('.') == std::string::npos) out += ".0";
  return out;
}

}  // namespace sbert
