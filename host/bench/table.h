// Tables for people: aligned text, or Markdown.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "host/bench/json.h"

namespace trainhost::bench {

struct Column {
  std::string key;    ///< a path into a row: "step_ms.median"
  std::string title;  ///< "": the key
  int decimals = -1;  ///< -1: four significant digits
};

enum class TableForm { kText, kMarkdown };

/// A cell that is a spread shows "median (min–max)"; null and missing are "–". A row that failed
/// says so after its cells.
std::string table_text(const std::vector<Json>& rows, const std::vector<Column>& columns,
                       TableForm form);

/// One cell.
std::string cell_text(const Json& cell, int decimals);

}  // namespace trainhost::bench
