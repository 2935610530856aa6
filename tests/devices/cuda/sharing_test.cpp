// TRAINHOST_SHARE_DEVICES: several ranks on each device.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "host/launch/placement.h"
#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace trainhost;

namespace {

/// Two GPUs and a CPU.
launch::FoundDevices probe(const std::string& kind) {
  if (kind == "cuda") return {{{0, "A", 1}, {1, "B", 1}}, "", {"fp32"}};
  if (kind == "cpu") return {{{0, "CPU", 1}}, "", {}};
  return {{}, "none here", {}};
}

launch::Placement place(std::vector<std::string> kinds, std::int64_t count, int sharing) {
  launch::PlacementRequest request;
  request.devices.kinds = std::move(kinds);
  request.devices.count = count;
  request.cores = 4;
  request.ranks_per_device = sharing;
  return launch::place(request, probe);
}

}  // namespace

TEST_CASE("each device is given to as many ranks as are asked for, with a warning") {
  const launch::Placement shared = place({"cuda"}, 1, 2);
  CHECK(shared.indices == std::vector<int>{0, 0});
  REQUIRE(shared.warnings.size() == 1);
  CHECK_THAT(shared.warnings[0], Contains("2 ranks share each cuda device"));
  CHECK(place({"cuda"}, 2, 2).indices == std::vector<int>{0, 0, 1, 1});
  CHECK(place({"cuda"}, 2, 1).indices == std::vector<int>{0, 1});
  CHECK(place({"cuda"}, 2, 1).warnings.empty());
}

TEST_CASE("ranks on a CPU share it anyway") {
  CHECK(place({"cpu"}, 2, 3).indices == std::vector<int>{0, 0});
}

TEST_CASE("the environment says how many, and is read with care") {
  ::unsetenv("TRAINHOST_SHARE_DEVICES");
  CHECK(launch::ranks_sharing_a_device() == 1);
  ::setenv("TRAINHOST_SHARE_DEVICES", "2", 1);
  CHECK(launch::ranks_sharing_a_device() == 2);
  CHECK(launch::PlacementRequest{}.ranks_per_device == 2);
  for (const char* wrong : {"0", "-1", "two", "2x", "17", " 2"}) {
    ::setenv("TRAINHOST_SHARE_DEVICES", wrong, 1);
    CHECK_THROWS_WITH(launch::ranks_sharing_a_device(), Contains("1 to 16"));
  }
  ::unsetenv("TRAINHOST_SHARE_DEVICES");
}
