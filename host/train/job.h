// Job: what the ranks of a run were started for.
//
// Owner: a value. Threads and ranks: equal on all ranks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/launch/rank_environment.h"
#include "host/recipe/plan.h"
#include "host/train/conform.h"
#include "host/train/device_job.h"

namespace trainhost::train {

struct Job {
  enum class Kind { kTrain, kProve, kPredict, kExport, kDescribe, kProbe, kConform, kDevice };
  Kind kind = Kind::kTrain;
  /// kProve: optimizer steps of each objective; the last one is the epoch's last, which is often
  /// uneven.
  std::int64_t prove_steps = 0;
  /// kPredict, kExport: the trained model.
  struct Use {
    std::string source;   ///< the folder of best/ or of a checkpoint
    std::string target;   ///< the file of predictions, or the folder of the export
    bool stream = false;  ///< target is a pipe or terminal: written as it comes, never renamed
    bool stand_in_allowed = false;               ///< the run itself was trained on stand-in data
    std::map<std::string, std::string> options;  ///< of the model's predict, as written
    std::string facts;                           ///< kExport: members of model.json, a JSON object
  };
  Use use{};
  /// kDescribe: what claims are asked of; the plans differ in strategy and world.
  std::vector<recipe::RunPlan> plans{};
  struct Probe {
    std::int64_t warmup = 2, steps = 5;  ///< of each objective
    bool alone = false;                  ///< each process by itself (host/train/probe.h)
  };
  Probe probe{};
  std::vector<ConformRun> runs{};  ///< kConform
  DeviceJob device{};              ///< kDevice

  bool uses_trained_model() const { return kind == Kind::kPredict || kind == Kind::kExport; }

  /// Reads TRAINHOST_JOB and its file. Throws Error (kUser) on what it does not know.
  static Job from(const launch::RankEnvironment& environment);
};

}  // namespace trainhost::train
