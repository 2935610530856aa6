// What the loader threads hand to the step in Batch::extra.
#pragma once

#include <memory>

#include "frontier.h"
#include "functions.h"
#include "trainhost/batch.h"

namespace kgat {

/// Objective `cf`. Objective `kg` hands over a KgBatch (samplers.h).
struct CfWork {
  std::shared_ptr<const Frontier> frontier;
  std::shared_ptr<const CfRows> rows;
};

}  // namespace kgat
