// Collectives of devices that have none of their own: tensors go through the memory of the host.
//
// Purpose: a group for any device that can copy to and from host memory. Sums are formed there, in
// the order of ranks, so results are those of the cpu device bit for bit. An operation copies its
// input to the host when it is issued, which waits for the work that made it; the exchange goes on
// beside the caller; Work::wait copies the result back. Owner, threads and ranks: as
// communicator.h says. Limits: ranks on one machine; host memory as large as the tensors under way.
// Link trainhost::accelerator.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trainhost/communicator.h"
#include "trainhost/device.h"
#include "trainhost/store.h"

namespace trainhost {

/// This rank's end of a group of processes, for tensors on `device`: what
/// DeviceSession::communicator returns.  [collective]
std::unique_ptr<Communicator> host_staged_communicator(Store& store, const std::string& name,
                                                       int rank, int world, at::Device device,
                                                       const OpenOptions& options);

/// One end for each session, of a group of threads: what Device::local_communicators returns.
std::vector<std::unique_ptr<Communicator>> host_staged_communicators(
    std::span<DeviceSession* const> sessions, const OpenOptions& options);

}  // namespace trainhost
