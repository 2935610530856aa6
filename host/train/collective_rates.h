// collective_times: how long this group's collectives take, by size.
//
// Purpose: the part of a step that a strategy adds, predicted. Threads and ranks: [collective].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainhost/communicator.h"

namespace trainhost::train {

struct CollectiveTime {
  std::string operation;        ///< "all_reduce", "reduce_scatter", "all_gather"
  std::int64_t bytes = 0;       ///< of the whole buffer
  std::int64_t sent_bytes = 0;  ///< by a rank
  double seconds = 0;           ///< median
};

/// In memory of the communicator's own, as strategies use it.
std::vector<CollectiveTime> collective_times(Communicator& communicator);

}  // namespace trainhost::train
