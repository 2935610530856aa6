// What `trainhost resume RUN key=value` may change of a plan.
//
// A checkpoint fixes model, optimizer, batches and seed; how long, how often, where the data lies
// on how many
// devices and under which strategy may change. Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "host/plugins/catalog.h"
#include "host/recipe/plan.h"
#include "host/recipe/scaling.h"

namespace trainhost::cli {

/// Throws Error (kUser) for a key that a resume cannot change, or a value that does not fit it.
recipe::RunPlan apply_resume_overrides(const recipe::RunPlan& plan,
                                       const std::vector<std::string>& overrides);

/// Applies `strategy=…`: a checkpoint is of logical tensors, so any strategy goes on from it.
/// Throws Error for an unknown strategy or options that do not fit it.
void change_strategy(recipe::RunPlan& plan, const std::vector<std::string>& overrides,
                     plugins::Catalog& catalog);

/// Evaluates the plan's scaling rules for another world. Throws Error (kUser) where a rule is a Lua
/// function: the recipe is not at hand any more.
void rescale(recipe::RunPlan& plan, const recipe::World& world);

}  // namespace trainhost::cli
