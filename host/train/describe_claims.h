// describe_claims: what strategies claim of a model, for any world, without allocating it.
//
// Purpose: the answer to `trainhost describe`. Threads and ranks: one process, no device.
#pragma once

#include <string>
#include <vector>

#include "host/recipe/plan.h"
#include "host/train/memory_counter.h"
#include "trainhost/host.h"
#include "trainhost/model.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

/// What the claims of a plan depend on.
ClaimsRequest claims_request(const recipe::RunPlan& plan, const ModelSpec& model,
                             const std::vector<ObjectiveSpec>& objectives,
                             const Optimizer& optimizer);

/// A JSON object of what `strategy` claims, or {"problem"}: as below.
std::string claims_text(const Strategy& strategy, const ClaimsRequest& request);

/// JSON: {"parameters", "units", "objectives": [name], "allocated_bytes", "claims": [{"parameters",
/// "buffers", "gradients", "optimizer", "transient", "padding", "host", "sum", "traffic": [bytes]}
/// |
/// {"problem"}]}, the claims in the order of the plans. `model` is prepared. `allocated_bytes`:
/// what declaring and claiming held in tensors at most.
std::string describe_claims(const std::vector<recipe::RunPlan>& plans, const Model& model,
                            Host& host, MemoryCounter& memory);

}  // namespace trainhost::train
