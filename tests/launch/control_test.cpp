#include "host/launch/control.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "trainhost/error.h"

using namespace trainhost;
using launch::Control;

TEST_CASE("both ends of a control page see the same words") {
  const Control parent = Control::create(3);
  const Control rank = Control::attach(dup(parent.fd()));
  CHECK(rank.local_ranks() == 3);
  CHECK_FALSE(rank.abort_signal().raised());
  parent.abort_signal().raise(2);
  parent.abort_signal().raise(1);
  CHECK(rank.abort_signal().lost_rank() == 2);
  parent.ask_to_stop(15);
  CHECK(rank.stop_signal() == 15);
  rank.beat(1);
  CHECK(parent.heartbeat(1) == 1);
  rank.doing(1, "training");
  CHECK(parent.doing(1) == "training");
  CHECK(parent.doing(0).empty());
  CHECK(parent.heartbeat(1) == 2);
  rank.doing(2, std::string(1000, 'x'));
  CHECK(parent.doing(2) == std::string(launch::kDoingBytes - 1, 'x'));
  CHECK_THROWS_WITH(rank.beat(3), Catch::Contains("no such local rank"));
}

TEST_CASE("a control page is not made or taken from just anything") {
  CHECK_THROWS_AS(Control::create(0), Error);
  CHECK_THROWS_AS(Control::create(launch::kMaxLocalRanks + 1), Error);
  CHECK_THROWS_WITH(Control::attach(-1), Catch::Contains("not open"));
  const int empty = memfd_create("empty", MFD_CLOEXEC);
  CHECK_THROWS_WITH(Control::attach(empty), Catch::Contains("no control page"));
  REQUIRE(ftruncate(empty, 65536) == 0);
  CHECK_THROWS_WITH(Control::attach(empty), Catch::Contains("another version"));
  close(empty);
}

TEST_CASE("a text that is read while it changes is one of the two") {
  const Control control = Control::create(1);
  const std::string a(100, 'a'), b(100, 'b');
  control.doing(0, a);
  std::atomic<bool> end = false;
  std::thread writer([&] {
    for (int i = 0; i < 300000; ++i) control.doing(0, i % 2 == 0 ? b : a);
    end = true;
  });
  int torn = 0;
  while (!end) {
    const std::string seen = control.doing(0);
    if (seen != a && seen != b) ++torn;
  }
  writer.join();
  CHECK(torn == 0);
}
