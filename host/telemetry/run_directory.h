// RunDirectory: the folder that keeps what a run was and what came of it.
//
// Purpose: plan.json, metrics.jsonl and its copy metrics.csv, eval/*.csv, log.txt, summary.json;
// checkpoints/ and best/ are written by the ranks. Owner: the parent of rank 0. Threads and ranks:
// the parent's only thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "host/telemetry/event.h"
#include "host/telemetry/metrics_csv.h"

namespace trainhost::telemetry {

class RunDirectory {
 public:
  /// FOLDER/NAME, or the first of FOLDER/NAME-2, -3, … that does not exist; made in one step, so
  /// that two runs started together get two folders. Throws Error (kUser) where it cannot be made.
  static RunDirectory create_numbered(const std::string& folder, const std::string& name);
  /// This very folder; it may exist, but not hold a run already.
  static RunDirectory create_at(const std::string& path);
  /// The folder of an earlier run, to be continued. Throws Error (kUser) where it holds no plan.
  static RunDirectory open(const std::string& path);

  const std::string& path() const { return path_; }  ///< absolute
  std::string plan_file() const { return path_ + "/plan.json"; }

  /// Keeps the folder for this process until it ends. Throws Error (kUser) where another one has
  /// it.
  void lock() const;

  void write_plan(const std::string& json) const;
  /// Whole or not at all, whatever happens meanwhile.
  void write_summary(const std::string& json) const;
  /// Appends a line to metrics.jsonl, and its row to metrics.csv.
  void add_metrics(std::string_view json);
  /// Appends the rows of an evaluation to their files in eval/.
  void add_evaluation(const Evaluation& evaluation);
  /// Drops the lines of steps after `step`: a run that goes on from there writes them again.
  void forget_metrics_after(std::int64_t step);
  /// That step; -1 where nothing was forgotten: a new run.
  std::int64_t goes_on_after() const { return goes_on_after_; }
  /// Appends a line with the time to log.txt. Rank output beyond a bound is dropped, with a note.
  void log(std::string_view text);
  /// Hands what was added to the kernel; a `tail -f` then sees it.
  void flush();
  /// Once: what the user should know of files that could not be written; "" where there is nothing.
  std::string take_warning();

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, CloseFile>;

  explicit RunDirectory(std::string path);
  File open_for_append(const std::string& name) const;
  void flush_metrics();

  std::string path_;
  File metrics_, log_;
  MetricsCsv csv_;
  std::string warning_;
  std::int64_t goes_on_after_ = -1;
  bool metrics_failed_ = false;
  std::size_t logged_bytes_ = 0;
};

}  // namespace trainhost::telemetry
