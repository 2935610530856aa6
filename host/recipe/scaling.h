// Scaling rules: what batch and learning rate an objective gets in a world.
//
//   batch  per_rank: as written; global: written / ranks, which must divide
//   lr     linear: lr × effective / base; sqrt: lr × √(effective / base); none
// with effective = batch per rank × ranks × accumulate. Linear: Goyal et al. 2017, "Accurate, Large
// Minibatch SGD", section 2.1; square root: Krizhevsky 2014, "One weird trick", section 5.
//
// Threads and ranks: the parent only; pure apart from the recipe's own Lua functions.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "host/recipe/plan.h"
#include "host/recipe/sandbox.h"

namespace trainhost::recipe {

/// The world a plan is made for.
struct World {
  std::int64_t ranks = 1;
  std::int64_t nodes = 1;
  std::int64_t cpus = 1;  ///< cores of one node
  std::string device = "cpu";
};

/// An objective before scaling, and where its batch and rate were written.
struct ObjectiveBase {
  std::string name;
  std::int64_t batch = 1;
  double lr = 0;
  SourcePosition batch_at, lr_at;
  std::string batch_key = "train.batch";  ///< what a user changes to change the batch
};

/// Calls a rule that is a Lua function: (dotted path, base value, the world) → number.
using RuleFunction = std::function<double(const std::string&, double, const RuleArguments&)>;

/// Throws Error (kUser) where a global batch does not divide, or a rule gives no usable value.
ObjectivePlan scale_objective(const ObjectiveBase& base, const RunPlan& plan, const World& world,
                              const RuleFunction& call);

}  // namespace trainhost::recipe
