// The meeting of the ranks of a group before NCCL is started: who is here, on which device.
//
// Rationale: NCCL waits for a rank that never comes without naming it, and refuses two ranks on one
// GPU with a text about duplicates. Here a missing rank ends the wait by name, and ranks that share
// a GPU are found in time to tell NCCL.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainhost/store.h"

namespace cuda {

/// A device as no other of the world is named: "HOST/UUID".
struct Member {
  std::string machine, device;
};

/// The members by rank; waits for all of them. Throws what Store::get throws.  [collective]
std::vector<Member> meet(trainhost::Store& store, const std::string& group, int rank, int world,
                         const Member& mine);

/// The ranks on the same device as another, ascending; empty where each has its own.
std::vector<int> ranks_that_share(const std::vector<Member>& members);

/// What NCCL must be told by its environment where ranks share a device: that each is a machine of
/// its own, reached through the loopback interface if all are on one. Correct, and slow.
std::vector<std::pair<std::string, std::string>> settings_for_sharing(
    const std::vector<Member>& members, int rank);

}  // namespace cuda
