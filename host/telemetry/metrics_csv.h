// MetricsCsv: metrics.csv, the table that pandas, R and spreadsheets read.
//
// Purpose: a row for each line of metrics.jsonl, and one header: first the fixed columns, behind
// them each metric ("recall@20") and its baseline ("recall@20_baseline") in the order of their
// first appearance. A cell is empty where its row has no such value, so a step's row ends in empty
// cells and an evaluation's has no loss; quoting is RFC 4180's, lines end in a line feed.
// metrics.jsonl is the record, this a copy: when a row brings a new column, or a run goes on from
// an earlier step, the table is made anew from it, aside, and renamed. Owner: RunDirectory.
// Threads: one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/telemetry/extra_file.h"

namespace trainhost::telemetry {

class MetricsCsv {
 public:
  /// Touches no file yet.
  explicit MetricsCsv(const std::string& folder);

  /// Appends the row of a line of metrics.jsonl. False where the table has to be made anew: the
  /// caller brings that line into metrics.jsonl and calls `rebuild`.
  bool add(std::string_view json);
  void rebuild();
  void flush();
  std::string take_warning();

 private:
  std::string path_, record_, warning_;
  std::vector<std::string> columns_;  ///< of the file; empty: not begun
  bool works_ = true;
  std::optional<ExtraFile> file_;
};

}  // namespace trainhost::telemetry
