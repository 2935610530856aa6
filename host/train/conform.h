// The job "conform" of check-plugin: several runs, one after the other, in one process whose ranks
// are threads.
//
// Purpose: a rank process takes half a second to start, and a check makes up to ten small runs. A
// strategy whose ranks are processes gets a Strategy for each thread, as it would have in each
// process. Owner: the rank program. Threads and ranks: the program's main thread, which starts the
// ranks of each run. A run that fails is a result, and the next one follows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/launch/control.h"
#include "host/recipe/plan.h"
#include "host/telemetry/event_writer.h"

namespace trainhost::train {

struct ConformRun {
  /// kProve: as the job "prove". kTrain: to the end, and the state then. kLoad: the checkpoint is
  /// loaded, and the state then. Of a model: kDeclare: without ranks; kLoss, kEvaluate: see
  /// model_trials.h.
  enum class Kind { kProve, kTrain, kLoad, kDeclare, kLoss, kEvaluate };
  Kind kind = Kind::kProve;
  recipe::RunPlan plan;                   ///< of plan.ranks ranks
  std::int64_t steps = 0;                 ///< kProve: of each objective; 0: all of an epoch
  std::string resume{};                   ///< a checkpoint, or ""
  std::string directory{};                ///< kTrain: the run directory
  std::vector<std::vector<int>> split{};  ///< kLoss
  bool watch_usage = false;               ///< what the process holds after each step
};

/// Sends the events of each run, and after them a Summary whose JSON is
///   {"run": index, "failure": "" or the first one's text, "rank": where, "seconds",
///    "disorder": "" or where the ranks' collectives part, "operations": of rank 0,
///    "usage": of the process afterwards, "usage_of_steps": […],
///    "traffic": [{"objective", "sent", "claimed"}]: bytes of a rank in a step,
///    "said": of a trial, by rank, "unit_disorder": where the ranks' units part,
///    "model_operations": collectives of the model's own on rank 0}
/// where a usage is {"heap", "resident", "mappings", "descriptors", "threads"}.
void conform(const std::vector<ConformRun>& runs, const launch::Control& control,
             telemetry::EventWriter& events);

}  // namespace trainhost::train
