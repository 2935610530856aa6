// Trials of a model, for check-plugin: its declaration, one loss, an evaluation.
//
// Threads and ranks: as said at each. Errors: Error (kPlugin) that says what the model does not
// keep.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/recipe/plan.h"
#include "host/train/memory_counter.h"
#include "host/train/rank_host.h"
#include "trainhost/device.h"
#include "trainhost/model.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

/// Asks for the declaration and weighs it: {"allocated", "parameters", "bytes"}. [any rank]
nlohmann::ordered_json try_declaration(const Model& model, MemoryCounter& memory);

/// Fills every parameter and buffer by itself, in the order of `first` and then, from another
/// instance's declaration, the other way round: the same bits.  [any rank]
void try_initialisers(const ModelSpec& first, const ModelSpec& second);

struct ModelTrial {
  const recipe::RunPlan& plan;
  RankHost& host;
  const std::vector<ObjectiveSpec>& objectives;
  ModelRank& rank;
  DeviceSession& device;
  Communicator& communicator;
  StrategySession& session;
};

/// How many of every hundred rows of a step's batch each rank gets, micro-batch by micro-batch.
using Split = std::vector<std::vector<int>>;

/// The loss of the first step of each objective, over so many rows as one rank has by the plan:
/// [{"objective", "sum", "weight": over all ranks, "rows", "own_weights": of this rank's
/// micro-batches, "own_rows"}].  [collective]
nlohmann::ordered_json try_loss(const ModelTrial& trial, const Split& split);

/// The metrics of the model as it is: {"watched", "metrics": {name: value}}.  [collective]
nlohmann::ordered_json try_evaluation(const ModelTrial& trial);

}  // namespace trainhost::train
