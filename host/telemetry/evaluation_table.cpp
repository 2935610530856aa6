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

class Table {
 public:
  explicit Table(const Evaluation& evaluation) {
    for (const auto& metric : evaluation.metrics) {
      const Name name = split(printable(metric.name));
      add_once(rows_, name.row);
      add_once(columns_, name.column);
      const bool best = evaluation.is_best && metric.name == evaluation.watched;
      cells_[name.row][name.column] = cell(metric, best);
      first_width_ = std::max(first_width_, columns(name.row));
    }
  }

  std::string text(std::size_t width) const {
    std::string out;
    for (std::size_t begin = 0; begin < columns_.size();) {
      const std::size_t end = fitting(begin, width);
      out += block(begin, end);
      begin = end;
    }
    return out;
  }

 private:
  const std::string& at(const std::string& row, const std::string& column) const {
    static const std::string kEmpty;
    const auto& cells = cells_.at(row);
    const auto found = cells.find(column);
    return found == cells.end() ? kEmpty : found->second;
  }

  std::size_t width_of(const std::string& column) const {
    std::size_t out = columns(column);
    for (const std::string& row : rows_) out = std::max(out, columns(at(row, column)));
    return out;
  }

  // The end of the columns from `begin` on that fit; at least one.
  std::size_t fitting(std::size_t begin, std::size_t width) const {
    std::size_t used = 2 + first_width_;
    std::size_t end = begin;
    while (end < columns_.size()) {
      used += 2 + width_of(columns_[end]);
      if (used > width && end > begin) break;
      ++end;
    }
    return end;
  }

  std::string block(std::size_t begin, std::size_t end) const {
    std::string out = line("", begin, end, true);
    for (const std::string& row : rows_) out += line(row, begin, end, false);
    return out;
  }

  // Nothing where all its cells are empty.
  std::string line(const std::string& row, std::size_t begin, std::size_t end, bool heading) const {
    std::string out = "  " + pad_right(row, first_width_);
    bool empty = true;
    for (std::size_t i = begin; i < end; ++i) {
      const std::string& text = heading ? columns_[i] : at(row, columns_[i]);
      out += "  " + pad_right(text, width_of(columns_[i]));
      empty = empty && text.empty();
    }
    if (empty) return {};
    return out.substr(0, out.find_last_not_of(' ') + 1) + '\n';
  }

  std::vector<std::string> rows_, columns_;
  std::map<std::string, std::map<std::string, std::string>> cells_;  ///< by row, by column
  std::size_t first_width_ = 0;
};

}  // namespace

std::string evaluation_table(const Evaluation& evaluation, std::size_t width) {
  return Table(evaluation).text(width);
}

}  // namespace trainhost::telemetry
