// Trials of a communicator against naive sums.
//
// Threads and ranks: each is [collective], with the same arguments on every rank; tensors are made
// on `device`. Errors: Error (kPlugin) that says which operation gave what where.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>

#include "trainhost/communicator.h"

namespace trainhost::train {

struct TrialPlace {
  Communicator& communicator;
  at::Device device;
  std::uint64_t seed = 1;
  std::function<void()> synchronize{};  ///< until what was issued to the device is done
};

/// Every operation, type and reduction; `uneven`: different counts for each rank, one of them zero.
void try_collectives(const TrialPlace& place, bool uneven);
/// Many operations under way at once, waited for in another order than they were issued.
void try_async(const TrialPlace& place);
/// Where the communicator says that its sums are in rank order: they are. False where it does not.
bool try_rank_order(const TrialPlace& place);

}  // namespace trainhost::train
