// RunDirectory: the folder that keeps what a run was and what came of it.
//
// Purpose: plan.json, metrics.jsonl, log.txt, summary.json; checkpoints/ and best/ are written by
// the ranks. Owner: the parent of rank 0. Threads and ranks: the parent's only thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

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

  void write_plan(const std::string& json) const;
  /// Whole or not at all, whatever happens meanwhile.
  void write_summary(const std::string& json) const;
  /// Appends a line to metrics.jsonl.
  void add_metrics(std::string_view json);
  /// Drops the lines of steps after `step`: a run that goes on from there writes them again.
  void forget_metrics_after(std::int64_t step);
  /// Appends a line with the time to log.txt. Rank output beyond a bound is dropped, with a note.
  void log(std::string_view text);
  /// Hands what was added to the kernel; a `tail -f` then sees it.
  void flush();

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, CloseFile>;

  explicit RunDirectory(std::string path);
  File open_for_append(const std::string& name) const;

  std::string path_;
  File metrics_, log_;
  std::size_t logged_bytes_ = 0;
};

/// The N of a folder named step-N; -1 for another name.
std::int64_t checkpoint_step(const std::string& folder);

/// The newest whole checkpoint of a run: the folder checkpoints/step-N with the largest N that
/// holds a manifest.json; "" where there is none.
std::string newest_checkpoint(const std::string& run_directory);

}  // namespace trainhost::telemetry
