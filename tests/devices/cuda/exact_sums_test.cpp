// How the device learns that a run is exact.
#include <fcntl.h>

#include <catch2/catch.hpp>

#include "host/train/rank_host.h"
#include "trainhost/purpose.h"

using namespace trainhost;

TEST_CASE("the host of an exact run has the extension for sums in rank order, others do not") {
  telemetry::EventWriter events(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const launch::Control control = launch::Control::create(1);
  for (const bool exact : {false, true}) {
    train::RankHost::Settings settings;
    settings.sums_in_rank_order = exact;
    train::RankHost host(settings, events, control);
    CHECK((host.extension("trainhost.sums-in-rank-order/1") != nullptr) == exact);
    CHECK(host.extension(Purpose::kExtension) != nullptr);
    CHECK(host.extension("trainhost.something-else/1") == nullptr);
  }
}
