#include "host/telemetry/text_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace trainhost::telemetry {
namespace {

bool starts_code_point(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

}  // namespace

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_code_point));
}

std::string cut(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t bytes = 0;
  for (std::size_t kept = 0; bytes < text.size(); ++bytes) {
    if (starts_code_point(text[bytes]) && kept++ == width - 1) break;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

std::string pad_right(std::string_view text, std::size_t width) {
  const std::size_t have = columns(text);
  return std::string(text) + std::string(have < width ? width - have : 0, ' ');
}

std::string pad_left(std::string_view text, std::size_t width) {
  const std::size_t have = columns(text);
  return std::string(have < width ? width - have : 0, ' ') + std::string(text);
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(" \n");
    const std::string_view word = text.substr(0, end);
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (columns(line) + 1 + columns(word) <= width) {
      line.append(" ").append(word);
    } else if (!word.empty()) {
      lines.emplace_back(word);
    }
    if (end == std::string_view::npos) break;
    if (text[end] == '\n') lines.emplace_back();
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string boxed(std::string_view text, std::size_t width) {
  width = std::max<std::size_t>(width, 20);
  const std::string rule = "+" + std::string(width - 2, '-') + "+\n";
  std::string out = rule;
  for (const std::string& line : wrap(text, width - 4)) {
    out += "| " + pad_right(line, width - 4) + " |\n";
  }
  return out + rule;
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& letter : out) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f) letter = ' ';
  }
  return out;
}

std::string count_text(double value) {
  if (std::isnan(value)) return "?";
  const double size = std::fabs(value);
  if (size >= 999.5e9) return fmt::format("{:.3g} T", value / 1e12);
  if (size >= 999.5e6) return fmt::format("{:.3g} G", value / 1e9);
  if (size >= 999.5e3) return fmt::format("{:.3g} M", value / 1e6);
  if (size >= 9999.5) return fmt::format("{:.3g} k", value / 1e3);
  if (size >= 100 || value == std::floor(value)) return fmt::format("{:.0f}", value);
  return fmt::format("{:.3g}", value);
}

std::string duration_text(double value) {
  if (std::isnan(value) || value < 0 || value > 1e9) return "?";
  if (value < 9.95) return fmt::format("{:.2g} s", value);
  const auto whole = static_cast<long long>(value + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string value_text(double value) {
  return std::isnan(value) ? std::string("?") : fmt::format("{:.4g}", value);
}

std::string bar(double fraction, std::size_t width) {
  if (width < 3) return {};
  const std::size_t room = width - 2;
  const double known = std::isnan(fraction) ? 0.0 : std::clamp(fraction, 0.0, 1.0);
  const auto done = static_cast<std::size_t>(known * static_cast<double>(room));
  std::string inside(done, '=');
  if (done > 0 && done < room) inside.back() = '>';
  return "[" + pad_right(inside, room) + "]";
}

}  // namespace trainhost::telemetry
