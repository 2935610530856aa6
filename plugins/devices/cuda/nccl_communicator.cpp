#include "cuda/nccl_communicator.h"

#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "cuda/group_communicator.h"
#include "cuda/lone_communicator.h"
#include "cuda/meeting.h"
#include "cuda/process_wire.h"

namespace cuda {
namespace {

/// Who is on which device: the machine's name and the GPU's UUID are unique.
Member this_member(at::Device device) {
  std::array<char, 256> machine{};
  gethostname(machine.data(), machine.size() - 1);
  cudaDeviceProp properties{};
  cudaGetDeviceProperties(&properties, device.index());
  std::string uuid;
  for (const char byte : properties.uuid.bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    uuid += {kDigits[value >> 4], kDigits[value & 15]};
  }
  return {machine.data(), uuid};
}

void tell_of_sharing(const std::vector<Member>& members, int rank, trainhost::Host& host) {
  std::string settings;
  for (const auto& [name, value] : settings_for_sharing(members, rank)) {
    ::setenv(name.c_str(), value.c_str(), 0);
    settings += " " + name + "=" + std::getenv(name.c_str());
  }
  if (settings.empty() || rank != 0) return;
  std::string ranks;
  for (const int other : ranks_that_share(members)) ranks += " " + std::to_string(other);
  host.log(trainhost::Host::Level::kWarning,
           "ranks" + ranks + " share a GPU: correct, but slow; NCCL is told" + settings);
}

/// How often a rank posts how far it is: seldom, but often enough for a time-out to be explained
/// soon after it has passed.
double posting_period(double timeout_seconds) {
  return std::clamp(timeout_seconds / 10, 0.05, 2.0);
}

}  // namespace

std::unique_ptr<trainhost::Communicator> make_nccl_communicator(
    trainhost::Store& store, const GroupPlace& place, const trainhost::OpenOptions& options,
    trainhost::Host& host) {
  if (place.world == 1) return std::make_unique<LoneCommunicator>(place.name, place.device);
  const c10::cuda::CUDAGuard guard(place.device);
  const std::vector<Member> members =
      meet(store, place.name, place.rank, place.world, this_member(place.device));
  tell_of_sharing(members, place.rank, host);
  const auto adapter = c10::make_intrusive<StoreAdapter>(store, place.name + "/nccl/");
  auto wire = make_process_wire(adapter, place, options.timeout_seconds);
  auto board = std::make_unique<ProgressBoard>(store, place.name, place.rank, place.world,
                                               posting_period(options.timeout_seconds));
  auto communicator = std::make_unique<GroupCommunicator>(
      std::make_shared<Group>(place, options, std::move(wire), std::move(board)));
  communicator->barrier(trainhost::Traffic::kHost);
  adapter->leave();
  return communicator;
}

}  // namespace cuda
