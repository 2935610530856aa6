#include "trainhost/host_staged.h"

#include <utility>

#include "shared_memory/communicators.h"
#include "staged_communicator.h"

namespace trainhost {

std::unique_ptr<Communicator> host_staged_communicator(Store& store, const std::string& name,
                                                       int rank, int world, at::Device device,
                                                       const OpenOptions& options) {
  return std::make_unique<StagedCommunicator>(
      shared_memory::process_communicator(store, name, rank, world, options), name, device);
}

std::vector<std::unique_ptr<Communicator>> host_staged_communicators(
    std::span<DeviceSession* const> sessions, const OpenOptions& options) {
  auto hosts = shared_memory::thread_communicators(static_cast<int>(sessions.size()), options);
  std::vector<std::unique_ptr<Communicator>> out;
  for (std::size_t rank = 0; rank < sessions.size(); ++rank) {
    out.push_back(std::make_unique<StagedCommunicator>(std::move(hosts[rank]), "threads",
                                                       sessions[rank]->device()));
  }
  return out;
}

}  // namespace trainhost
