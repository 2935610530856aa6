// The communicator of a group of processes: the ranks meet in the run's store, then NCCL starts.
#pragma once

#include <memory>

#include "cuda/group.h"
#include "trainhost/communicator.h"
#include "trainhost/host.h"

namespace cuda {

/// Makes this rank's end; `host` hears of ranks that share a device. Throws Error (kRankLost) where
/// a rank does not come, (kDevice) where NCCL does not start. The store must outlive the
/// communicator.  [collective]
std::unique_ptr<trainhost::Communicator> make_nccl_communicator(
    trainhost::Store& store, const GroupPlace& place, const trainhost::OpenOptions& options,
    trainhost::Host& host);

}  // namespace cuda
