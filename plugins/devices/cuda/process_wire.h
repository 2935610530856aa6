// The wire of ranks that are processes: NCCL, through LibTorch's process group.
#pragma once

#include <c10/util/intrusive_ptr.h>

#include <memory>

#include "cuda/group.h"
#include "cuda/store_adapter.h"

namespace cuda {

/// Settings of LibTorch's process group that must be in the environment before the first group:
/// errors and time-outs come out of Pending::done here, so its watchdog must not end the process.
void prepare_process_groups();

/// Starts NCCL. Throws Error (kDevice) where it does not start.  [collective]
std::unique_ptr<Wire> make_process_wire(const c10::intrusive_ptr<StoreAdapter>& store,
                                        const GroupPlace& place, double timeout_seconds);

}  // namespace cuda
