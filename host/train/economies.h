// Economies: what is done differently from plain fp32 with everything kept for backward.
//
// Threads and ranks: values, equal on all ranks.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

#include "host/recipe/plan.h"
#include "trainhost/model.h"

namespace trainhost::train {

struct Economies {
  std::optional<at::ScalarType> autocast{};  ///< what units compute in where 16 bits will do
  std::vector<bool> recompute{};             ///< by unit: runs again in backward; empty: none does
};

/// Throws Error (Failure::kUser) for names of units that the model does not have.
Economies economies_of(const recipe::RunPlan& plan, const ModelSpec& model);

/// "bf16" and "fp16"; nothing for "fp32".
std::optional<at::ScalarType> sixteen_bits(const std::string& name);

}  // namespace trainhost::train
