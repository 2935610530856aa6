// The communicators of all ranks of a process, made by ncclCommInitAll.
#pragma once

#include <memory>
#include <vector>

#include "cuda/joint.h"
#include "trainhost/abort.h"

namespace cuda {

/// One for each device, by rank; aborted when the signal is raised. Throws Error (kDevice) where
/// NCCL is not there or does not start.
std::unique_ptr<Joint> make_joint_nccl(const std::vector<int>& devices,
                                       trainhost::AbortSignal abort);

}  // namespace cuda
