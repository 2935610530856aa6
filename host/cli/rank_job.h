// rank_job: starts rank processes for a question, and brings back what they say.
//
// Purpose: `describe` links no LibTorch; models and strategies are asked in processes that do.
// Threads: the parent's only thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/cli/prepared_run.h"
#include "trainhost/error.h"

namespace trainhost::cli {

struct RankJob {
  std::string name;   ///< as RankEnvironment::job: "describe", "probe"
  std::string text;   ///< the job file, JSON
  std::string label;  ///< for people, before what the ranks print
  /// Whether to say that data stand in for others: not where the run that follows says it.
  bool says_stand_ins = true;
};

/// Thrown where the devices did not open: nothing was done yet.
class DevicesNotOpened : public Error {
 public:
  DevicesNotOpened(Text text, launch::FailedAttempt attempt)
      : Error(Failure::kDevice, std::move(text)), attempt_(std::move(attempt)) {}
  const launch::FailedAttempt& attempt() const { return attempt_; }

 private:
  launch::FailedAttempt attempt_;
};

/// The JSON of each rank's summary, by rank. Warnings and stand-ins go to stderr. Throws Error with
/// the failure of the rank that failed first; Error (kRun) where it was interrupted.
std::vector<std::string> run_rank_job(const PreparedRun& run, const RankJob& job);

}  // namespace trainhost::cli
