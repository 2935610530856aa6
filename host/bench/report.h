// Report: what a benchmark leaves behind for other programs.
//
// Purpose: results.json (machine, options, every run raw, every case) and results.csv (a line for
// each run), written anew after each run, so that an interruption loses nothing. Owner: the bench
// command. Threads: the program's only thread.
#pragma once

#include <string>
#include <vector>

#include "host/bench/json.h"

namespace trainhost::bench {

class Report {
 public:
  struct Files {
    std::vector<std::string> json, csv;  ///< where to; all get the same
  };
  /// `facts`: members for the top of the JSON.
  Report(Files files, Json facts);

  void set_fact(const std::string& name, const Json& value) { facts_[name] = value; }
  void add_run(const Json& run);
  void add_case(const Json& result);
  /// Throws Error (kRun) where a file cannot be written.
  void write() const;

  std::size_t runs() const { return runs_.size(); }
  std::size_t failed() const;
  /// The log of the first run that failed; "": none.
  std::string log_of_failure() const;
  std::size_t reused() const;

 private:
  const Files files_;
  Json facts_, runs_ = Json::array(), cases_ = Json::array();
};

/// A table of all runs; columns for each metric that any has.
std::string csv_text(const Json& runs);

}  // namespace trainhost::bench
