#include "host/bench/progress.h"

#include <catch2/catch.hpp>
#include <cmath>

using namespace trainhost;
using namespace trainhost::bench;
using Catch::Matchers::Contains;

namespace {

Json done(double seconds) {
  return {{"outcome", "done"}, {"samples_per_s", 1500}, {"wall_seconds", seconds}};
}

struct Shown {
  explicit Shown(bool terminal, std::size_t height = 24)
      : progress({.out = [](std::string_view) {},
                  .err = [this](std::string_view part) { text += part; },
                  .terminal = terminal,
                  .width = 60},
                 height) {
    progress.begin({{"ddp", 2}, {"zero2", 2}});
  }
  std::string text;
  Progress progress;
};

}  // namespace

TEST_CASE("in a pipe each run is a line") {
  Shown shown(false);
  shown.progress.start(0, 1, false, false);
  shown.progress.tick(3);
  shown.progress.end(done(4));
  CHECK(shown.text == "[1/4] ddp, repeat 1: 1500 samples/s, 4 s; about 12 s left\n");
  shown.text.clear();
  shown.progress.start(1, 1, false, true);
  shown.progress.end(done(4));
  CHECK_THAT(shown.text, Contains("(from an earlier command)"));
  shown.text.clear();
  shown.progress.start(1, 2, false, false);
  shown.progress.end({{"outcome", "failed"}, {"reason", "out of memory"}, {"wall_seconds", 1}});
  CHECK_THAT(shown.text, Contains("failed: out of memory") && Contains("about 4 s left"));
}

TEST_CASE("what is left is known from the runs so far") {
  Shown shown(false);
  CHECK(std::isnan(shown.progress.seconds_left()));
  shown.progress.start(0, 1, false, false);
  shown.progress.end(done(10));
  shown.progress.start(1, 1, false, false);
  shown.progress.end(done(2));
  CHECK(shown.progress.seconds_left() == 12);
  shown.progress.skip(1, 1);
  CHECK(shown.progress.seconds_left() == 10);
}

TEST_CASE("on a terminal the table is rewritten in place, and taken away") {
  Shown shown(true);
  shown.progress.start(0, 1, false, false);
  CHECK_THAT(shown.text, Contains("[1/4] ddp, repeat 1, 0 s\n") && Contains("  zero2   0 of 2"));
  shown.text.clear();
  shown.progress.tick(2);
  CHECK_THAT(shown.text, Catch::StartsWith("\r\x1b[3A\x1b[J"));
  shown.progress.end(done(4));
  shown.progress.finish();
  CHECK_THAT(shown.text, Catch::EndsWith("\x1b[J"));
}

TEST_CASE("a small terminal shows the rows around the present one") {
  Shown shown(true, 5);
  shown.progress.start(1, 1, false, false);
  CHECK_THAT(shown.text, Contains("zero2   0 of 2") && !Contains("  ddp"));
}
