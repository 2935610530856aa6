#include "host/telemetry/evaluation_csv.h"

#include <array>
#include <charconv>
#include <cmath>

namespace trainhost::telemetry {

Evaluation::Row evaluation_row(const std::string& file, const std::vector<std::string>& columns,
                               const std::vector<double>& values, double epoch,
                               std::int64_t steps) {
  Evaluation::Row out{file, "epoch,steps", python_float(epoch) + "," + std::to_string(steps)};
  for (const std::string& column : columns) out.header += "," + column;
  for (const double value : values) out.line += "," + python_float(value);
  return out;
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

}  // namespace trainhost::telemetry
