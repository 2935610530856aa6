// The jobs that use a trained model: predict and export.
//
// Threads and ranks: one rank, or, for the prediction of some models, all.
#pragma once

#include "host/recipe/plan.h"
#include "host/train/job.h"
#include "host/train/rank_host.h"
#include "trainhost/device.h"
#include "trainhost/model.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

struct UseParts {
  const recipe::RunPlan& plan;
  const Job& job;
  RankHost& host;
  Model& model;
  const ModelSpec& spec;
  ModelRank& rank;
  DeviceSession& device;
  Communicator& communicator;
  StrategySession& session;
};

/// Refuses, before anything is allocated, a model without the ability, options that its prediction
/// does not have, and data that only stand in for those of the run. Error (kUser).
void check_use(const recipe::RunPlan& plan, const Job& job, Model& model, const RankHost& host);

/// Loads the trained parameters and does the job.
void use_model(const UseParts& parts);

}  // namespace trainhost::train
