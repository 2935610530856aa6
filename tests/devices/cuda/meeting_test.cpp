// Who shares a GPU, and what NCCL is told then.
#include "cuda/meeting.h"

#include <catch2/catch.hpp>
#include <future>
#include <map>

#include "memory_store.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace cuda;

namespace {

std::map<std::string, std::string> settings(const std::vector<Member>& members, int rank) {
  const auto list = settings_for_sharing(members, rank);
  return {list.begin(), list.end()};
}

}  // namespace

TEST_CASE("ranks learn where the others are") {
  MemoryStore store;
  auto other = std::async(std::launch::async, [&] {
    return meet(store, "world", 1, 2, {"node", "gpu-b"});
  });
  const std::vector<Member> here = meet(store, "world", 0, 2, {"node", "gpu-a"});
  const std::vector<Member> there = other.get();
  for (const auto& members : {here, there}) {
    REQUIRE(members.size() == 2);
    CHECK(members[0].device == "gpu-a");
    CHECK(members[1].device == "gpu-b");
    CHECK(members[1].machine == "node");
  }
}

TEST_CASE("a rank that does not come is named") {
  MemoryStore store(0.05);
  CHECK_THROWS_WITH(meet(store, "world", 0, 3, {"node", "a"}), Contains("world/device/1"));
}

TEST_CASE("only ranks on the same GPU of the same machine share it") {
  CHECK(ranks_that_share({{"n", "a"}, {"n", "b"}, {"m", "a"}}).empty());
  CHECK(ranks_that_share({{"n", "a"}, {"n", "b"}, {"n", "a"}}) == std::vector<int>{0, 2});
}

TEST_CASE("ranks that share a GPU are machines of their own to NCCL") {
  const std::vector<Member> shared{{"n", "a"}, {"n", "a"}};
  CHECK(settings(shared, 0).at("NCCL_HOSTID") == "r0");
  CHECK(settings(shared, 1).at("NCCL_HOSTID") == "r1");
  CHECK(settings(shared, 1).at("NCCL_SOCKET_IFNAME") == "lo");
  // Every rank needs it, also one that has its GPU to itself.
  CHECK(settings({{"n", "a"}, {"n", "a"}, {"n", "b"}}, 2).at("NCCL_HOSTID") == "r2");
  // Over several machines the loopback interface would not do.
  CHECK_FALSE(settings({{"n", "a"}, {"n", "a"}, {"m", "a"}}, 0).contains("NCCL_SOCKET_IFNAME"));
  CHECK(settings({{"n", "a"}, {"n", "b"}}, 0).empty());
}
