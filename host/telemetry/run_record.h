// RunRecord: what metrics.jsonl and summary.json say, gathered from the events of a run.
//
// Owner: the parent of rank 0. Threads: one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/telemetry/event.h"

namespace trainhost::telemetry {

/// What is known before the run starts.
struct RunFacts {
  std::string name{}, recipe{}, model{}, strategy{}, precision{}, device{};
  std::string fallback{};  ///< the chain, where the run fell back to another kind of device; or ""
  int ranks = 1;
};

/// How it ended.
struct RunOutcome {
  std::string outcome = "done";  ///< "done", "failed", "interrupted"
  std::string error{};           ///< the report of a failed run
  int exit_code = 0;
  std::vector<double> peak_memory_mb{};  ///< by rank
  double seconds = 0;                    ///< of the whole run
};

class RunRecord {
 public:
  explicit RunRecord(RunFacts facts) : facts_(std::move(facts)) {}

  /// Takes the event in; a line for metrics.jsonl where it belongs there, else "".
  std::string take(int rank, const Event& event);

  /// The text of summary.json. A member of rank 0's own summary wins over what was gathered here.
  std::string summary(const RunOutcome& outcome) const;

  const std::optional<Evaluation>& best() const { return best_; }
  const std::optional<Evaluation>& last() const { return last_; }
  const std::string& checkpoint() const { return checkpoint_; }
  const std::string& stand_in() const { return stand_in_; }

 private:
  RunFacts facts_;
  std::string stand_in_, checkpoint_, rank_summary_;
  std::optional<Evaluation> best_, last_;
  std::map<std::string, double> seconds_;  ///< by phase, rank 0's
  std::int64_t steps_ = 0, epochs_ = 0;
};

}  // namespace trainhost::telemetry
