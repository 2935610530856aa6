// The communicator of a group of processes: NCCL, through LibTorch's process group.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "trainhost/communicator.h"
#include "trainhost/device.h"
#include "trainhost/host.h"

namespace cuda {

struct GroupPlace {
  std::string name;
  int rank = 0, world = 1;
  at::Device device{at::kCUDA, 0};
  bool rank_order_sums = false;  ///< sums by all-to-all, a local sum and an all-gather
};

/// Makes this rank's end; `host` hears of ranks that share a device. Throws Error (kRankLost) where
/// a rank does not come, (kDevice) where NCCL does not start.  [collective]
std::unique_ptr<trainhost::Communicator> make_nccl_communicator(
    trainhost::Store& store, const GroupPlace& place, const trainhost::OpenOptions& options,
    trainhost::Host& host);

/// Settings of LibTorch's process group that must be in the environment before the first group:
/// errors and time-outs come out of Work::wait here, so its watchdog must not end the process.
void prepare_process_groups();

}  // namespace cuda
