#include "host/bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/telemetry/text_layout.h"

namespace trainhost::bench {
namespace {

using Cells = std::vector<std::string>;

std::string number_text(double value, int decimals) {
  if (!std::isfinite(value)) return "–";
  if (decimals >= 0) return fmt::format("{:.{}f}", value, decimals);
  const double size = std::fabs(value);
  if (value == std::floor(value) && size < 1e9) return fmt::format("{:.0f}", value);
  return size >= 1000 && size < 1e9 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

bool is_spread(const Json& cell) {
  return cell.is_object() && cell.contains("median") && cell.contains("min") &&
         cell.contains("max");
}

bool is_numeric(const std::vector<Json>& rows, const Column& column) {
  return std::ranges::any_of(rows, [&](const Json& row) {
    const Json cell = at_path(row, column.key);
    return cell.is_number() || is_spread(cell);
  });
}

/// Failed runs, with the reason.
std::string failure_of(const Json& row) {
  if (at_path(row, "outcome") != "failed") return {};
  const Json reason = at_path(row, "reason");
  return "failed: " + (reason.is_string() ? reason.get<std::string>() : std::string("?"));
}

std::string line(const Cells& cells, const std::vector<std::size_t>& widths,
                 const std::vector<bool>& right, const std::string& note) {
  std::string out;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    out += (c == 0 ? "" : "  ") + (right[c] ? telemetry::pad_left(cells[c], widths[c])
                                            : telemetry::pad_right(cells[c], widths[c]));
  }
  if (!note.empty()) out += "  " + note;
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string markdown_line(const Cells& cells, const std::string& note) {
  std::string out = "|";
  for (std::string cell : cells) {
    std::ranges::replace(cell, '|', '/');
    out += " " + cell + " |";
  }
  return out + (note.empty() ? "" : " " + note) + "\n";
}

}  // namespace

std::string cell_text(const Json& cell, int decimals) {
  if (cell.is_number()) return number_text(cell.get<double>(), decimals);
  if (cell.is_string()) return telemetry::printable(cell.get<std::string>());
  if (cell.is_boolean()) return cell.get<bool>() ? "yes" : "no";
  if (!is_spread(cell)) return "–";
  const std::string median = number_text(number_of(cell["median"]), decimals);
  if (number_of(at_path(cell, "count")) <= 1) return median;
  return median + " (" + number_text(number_of(cell["min"]), decimals) + "–" +
         number_text(number_of(cell["max"]), decimals) + ")";
}

std::string table_text(const std::vector<Json>& rows, const std::vector<Column>& columns,
                       TableForm form) {
  std::vector<Cells> all(1);
  std::vector<std::string> notes{""};
  std::vector<bool> right;
  for (const Column& column : columns) {
    all[0].push_back(column.title.empty() ? column.key : column.title);
    right.push_back(is_numeric(rows, column));
  }
  for (const Json& row : rows) {
    Cells& cells = all.emplace_back();
    for (const Column& column : columns) {
      cells.push_back(cell_text(at_path(row, column.key), column.decimals));
    }
    notes.push_back(failure_of(row));
  }
  std::string out;
  if (form == TableForm::kMarkdown) {
    Cells rule;
    for (const bool numbers : right) rule.push_back(numbers ? "--:" : "---");
    for (std::size_t r = 0; r < all.size(); ++r) {
      out += markdown_line(all[r], notes[r]);
      if (r == 0) out += markdown_line(rule, "");
    }
    return out;
  }
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const Cells& cells : all) {
    for (std::size_t c = 0; c < cells.size(); ++c) {
      widths[c] = std::max(widths[c], telemetry::columns(cells[c]));
    }
  }
  for (std::size_t r = 0; r < all.size(); ++r) out += line(all[r], widths, right, notes[r]);
  return out;
}

}  // namespace trainhost::bench
