// The optimizers: Adam, AdamW and SGD with momentum through LibTorch's fused kernels.
//
// Purpose: one kernel for every strategy (trainhost/optimizer.h). The fused kernels give a slice
// the same bits whether it is updated alone or inside a larger tensor. Owner: the rank program.
// Threads and ranks: immutable after construction.
#pragma once

#include <memory>
#include <vector>

#include "host/recipe/plan.h"
#include "trainhost/optimizer.h"
#include "trainhost/unit.h"

namespace trainhost::train {

std::unique_ptr<Optimizer> make_optimizer(const recipe::OptimizerPlan& plan,
                                          std::vector<GroupSpec> groups);

}  // namespace trainhost::train
