// What `trainhost resume RUN key=value` may change of a plan.
//
// A checkpoint fixes model, optimizer, batches and seed; how long, how often, where the data lies
// and on how many devices may change. Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "host/recipe/plan.h"
#include "host/recipe/scaling.h"

namespace trainhost::cli {

/// Throws Error (kUser) for a key that a resume cannot change, or a value that does not fit it.
recipe::RunPlan apply_resume_overrides(const recipe::RunPlan& plan,
                                       const std::vector<std::string>& overrides);

/// Evaluates the plan's scaling rules for another world. Throws Error (kUser) where a rule is a Lua
/// function: the recipe is not at hand any more.
void rescale(recipe::RunPlan& plan, const recipe::World& world);

}  // namespace trainhost::cli
