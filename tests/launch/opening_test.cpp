#include "host/launch/opening.h"

#include <catch2/catch.hpp>

using namespace trainhost;
using launch::Ending;
using launch::failed_opening;

namespace {

Ending failed(Failure failure, const std::string& place) {
  Ending out;
  out.outcome = Ending::Outcome::kFailed;
  out.failure = launch::FailureReport{
      .failure = failure, .place = place, .reason = "", .brief = "busy", .text = ""};
  return out;
}

}  // namespace

TEST_CASE("a device that does not open is told from one that fails later") {
  const auto opening = failed_opening(failed(Failure::kDevice, launch::opening_device(12)));
  REQUIRE(opening);
  CHECK(opening->device == 12);
  CHECK(opening->reason == "busy");

  const auto connecting =
      failed_opening(failed(Failure::kDevice, std::string(launch::kConnectingDevices)));
  REQUIRE(connecting);
  CHECK(connecting->device == -1);

  CHECK(!failed_opening(failed(Failure::kDevice, "training, epoch 1, cf, step 2/4")));
  CHECK(!failed_opening(failed(Failure::kRankLost, launch::opening_device(0))));
  CHECK(!failed_opening(failed(Failure::kUser, launch::opening_device(0))));
  CHECK(!failed_opening(Ending{}));
}
