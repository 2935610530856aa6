// Communicators over the memory of this machine, for ranks of either kind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trainhost/communicator.h"
#include "trainhost/device.h"
#include "trainhost/store.h"

namespace shared_memory {

/// This rank's end of a group of processes on one machine, for tensors in host memory. Errors:
/// Failure::kRun where there is no such rank, or the ranks are on several machines.  [collective]
std::unique_ptr<trainhost::Communicator> process_communicator(
    trainhost::Store& store, const std::string& name, int rank, int world,
    const trainhost::OpenOptions& options);

/// The ends of a group of threads of this process, by rank.
std::vector<std::unique_ptr<trainhost::Communicator>> thread_communicators(
    int world, const trainhost::OpenOptions& options);

}  // namespace shared_memory
