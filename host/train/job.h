// Job: what the ranks of a run were started for.
//
// Owner: a value. Threads and ranks: equal on all ranks.
#pragma once

#include <cstdint>

#include "host/launch/rank_environment.h"

namespace trainhost::train {

struct Job {
  enum class Kind { kTrain, kProve };
  Kind kind = Kind::kTrain;
  /// kProve: optimizer steps of each objective; the last one is the epoch's last, which is often
  /// uneven.
  std::int64_t prove_steps = 0;

  /// Reads TRAINHOST_JOB and its file. Throws Error (kUser) on what it does not know.
  static Job from(const launch::RankEnvironment& environment);
};

}  // namespace trainhost::train
