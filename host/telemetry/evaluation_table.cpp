#include "host/telemetry/evaluation_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "host/telemetry/text_layout.h"

namespace trainhost::telemetry {
namespace {

struct Name {
  std::string row, column;
};

Name split(const std::string& name) {
  const std::size_t at = name.find('@');
  if (at == std::string::npos) return {name, ""};
  return {name.substr(0, at), name.substr(at)};
}

std::string cell(const Evaluation::Metric& metric, bool best) {
  std::string out = fmt::format("{:.4f}", metric.value);
  if (!std::isnan(metric.baseline)) out += fmt::format(" ({:.4f})", metric.baseline);
  return out + (best ? "*" : " ");
}

// Keeps the order of first appearance.
void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::ranges::find(list, text) == list.end()) list.push_back(text);
}

}  // namespace

std::string evaluation_table(const Evaluation& evaluation) {
  std::vector<std::string> rows, names;
  std::map<std::string, std::map<std::string, std::string>> cells;  // by row, by column
  for (const auto& metric : evaluation.metrics) {
    const Name name = split(printable(metric.name));
    add_once(rows, name.row);
    add_once(names, name.column);
    cells[name.row][name.column] =
        cell(metric, evaluation.is_best && metric.name == evaluation.watched);
  }
  if (rows.empty()) return {};

  std::size_t first = 0;
  for (const std::string& row : rows) first = std::max(first, columns(row));
  std::string out = std::string(first + 2, ' ');
  std::map<std::string, std::size_t> widths;
  for (const std::string& name : names) {
    std::size_t width = columns(name);
    for (const std::string& row : rows) width = std::max(width, columns(cells[row][name]));
    widths[name] = width;
    // The heading stands over the value, whose column ends in the mark's place.
    out += "  " + pad_right(name, width);
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  if (!out.empty()) out += '\n';
  for (const std::string& row : rows) {
    std::string line = "  " + pad_right(row, first);
    for (const std::string& name : names) line += "  " + pad_right(cells[row][name], widths[name]);
    while (line.back() == ' ') line.pop_back();
    out += line + '\n';
  }
  return out;
}

}  // namespace trainhost::telemetry
