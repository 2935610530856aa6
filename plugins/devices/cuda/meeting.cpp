#include "cuda/meeting.h"

#include <algorithm>

namespace cuda {
namespace {

bool same_device(const Member& a, const Member& b) {
  return a.machine == b.machine && a.device == b.device;
}

std::string key(const std::string& group, int rank) {
  return group + "/device/" + std::to_string(rank);
}

}  // namespace

std::vector<Member> meet(trainhost::Store& store, const std::string& group, int rank, int world,
                         const Member& mine) {
  store.set(key(group, rank), mine.machine + "\n" + mine.device);
  std::vector<Member> out;
  for (int other = 0; other < world; ++other) {
    const std::string text = store.get(key(group, other));
    const std::size_t cut = text.find('\n');
    out.push_back({text.substr(0, cut), cut == std::string::npos ? "" : text.substr(cut + 1)});
  }
  return out;
}

std::vector<int> ranks_that_share(const std::vector<Member>& members) {
  std::vector<int> out;
  for (std::size_t rank = 0; rank < members.size(); ++rank) {
    const auto same = std::ranges::count_if(
        members, [&](const Member& other) { return same_device(other, members[rank]); });
    if (same > 1) out.push_back(static_cast<int>(rank));
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> settings_for_sharing(
    const std::vector<Member>& members, int rank) {
  if (ranks_that_share(members).empty()) return {};
  std::vector<std::pair<std::string, std::string>> out{{"NCCL_HOSTID", "r" + std::to_string(rank)},
                                                       {"NCCL_IB_DISABLE", "1"},
                                                       {"NCCL_MNNVL_ENABLE", "0"},
                                                       {"NCCL_NVLS_ENABLE", "0"},
                                                       {"NCCL_MAX_CTAS", "2"}};
  const bool one_machine = std::ranges::all_of(
      members, [&](const Member& other) { return other.machine == members.front().machine; });
  if (one_machine) out.emplace_back("NCCL_SOCKET_IFNAME", "lo");
  return out;
}

}  // namespace cuda
