// What the loader threads hand to the step in Batch::extra.
#pragma once

#include <memory>

#include "frontier.h"
#include "functions.h"
#include "gpu/plan.h"
#include "trainhost/batch.h"

namespace kgat {

/// Objective `cf`.
struct CfWork {
  std::shared_ptr<const Frontier> frontier;
  std::shared_ptr<const CfRows> rows;               // null: the frontier alone (evaluation)
  std::shared_ptr<const gpu::BatchPlan> plan = {};  // where the run's device has kernels
};

/// Objective `kg`.
struct KgWork {
  KgBatch samples;
  std::shared_ptr<const gpu::KgPlan> plan = {};
};

}  // namespace kgat
