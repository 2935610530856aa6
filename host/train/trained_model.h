// A trained model as best/ keeps it: what its file holds, and how it comes back into a session.
//
// Threads and ranks: the rank's thread; every rank fills its own slices.
#pragma once

#include <string>
#include <vector>

#include "host/recipe/plan.h"
#include "trainhost/safetensors.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

/// The name in the file of a tensor whose full name is "unit/name": "unit.name".
std::string stored_name(std::string full_name);

/// What the file holds, in the order of StrategySession::full_parameters.
std::vector<TensorHeader> tensor_headers(const ModelSpec& spec);

/// Fills parameters and buffers from `folder`: a best/ (model.safetensors) or a checkpoint
/// (manifest.json). Optimizer states are left alone. Errors: Error (kUser) where the folder holds
/// no model, or one of other shapes.  [collective]
void load_trained(const std::string& folder, const recipe::RunPlan& plan, StrategySession& session);

}  // namespace trainhost::train
