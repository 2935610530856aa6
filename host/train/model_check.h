// Checks what a model declares before a strategy builds on it.
#pragma once

#include <string>
#include <vector>

#include "trainhost/model.h"

namespace trainhost::train {

/// Unique names, known borrows and groups, initialisers, sizes that fit. Throws Error
/// (Failure::kPlugin) that names the unit and the tensor.
void check_model(const std::string& plugin, const ModelSpec& model,
                 const std::vector<ObjectiveSpec>& objectives);

/// Elements and bytes of all parameters.
struct ModelSize {
  std::int64_t parameters = 0, bytes = 0;
};
ModelSize model_size(const ModelSpec& model);

}  // namespace trainhost::train
