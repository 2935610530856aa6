// BucketLayout: the gradients of consecutive units in one flat buffer.
//
// Purpose: which units are reduced together, for strategies, claims and tests alike. Buckets are
// formed in the reverse of the model's order, in which gradients arrive; they never mix units of
// different objectives, so that an objective reduces only what it touches, nor parameter types.
// Threads and ranks: a pure function, the same on all ranks.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <vector>

#include "trainhost/flat_layout.h"
#include "trainhost/model.h"

namespace trainhost {

struct BucketLayout {
  std::vector<int> units;             ///< in the reverse of the model's order
  std::vector<std::int64_t> offsets;  ///< bytes: where the flat layout of each of them begins
  std::int64_t bytes = 0;
  std::vector<bool> objectives;  ///< which objectives reach its units
  at::ScalarType dtype = at::kFloat;
};

/// Units without parameters are in none. A bucket is full once it has `bucket_bytes`; with 0 each
/// unit has its own.
std::vector<BucketLayout> bucket_layouts(const ModelSpec& model,
                                         const std::vector<ObjectiveSpec>& objectives,
                                         std::int64_t bucket_bytes);

}  // namespace trainhost
