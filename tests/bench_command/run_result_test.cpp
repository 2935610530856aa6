#include "host/bench/run_result.h"

#include <catch2/catch.hpp>

#include "written_folder.h"

using namespace trainhost::bench;
using Catch::Matchers::Contains;

TEST_CASE("why a run failed") {
  trainhost::testing::WrittenFolder place;
  const std::string log = place.write("log",
                                      "warning: x\ntrainhost: error: r.lua: 2 mistakes\n"
                                      "  r.lua:3: unknown key 'a'\n  r.lua:4: b\n");
  CHECK(reason_of({.exit_code = 2}, log) == "r.lua: 2 mistakes: r.lua:3: unknown key 'a'");
  CHECK_THAT(reason_of({.signal = 9}, log), Contains("signal 9"));
  CHECK_THAT(reason_of({.signal = 9, .timed_out = true}, log), Contains("time-out"));
  CHECK(reason_of({.exit_code = 7}, place.write("empty", "")) == "exit code 7");
}

TEST_CASE("a run without a whole summary has failed") {
  trainhost::testing::WrittenFolder place;
  const std::string log = place.write("log", "");
  CHECK(read_result({.exit_code = 0}, place.path(), log)["outcome"] == "failed");
  place.write("summary.json", "{\"outcome\": \"done\", ");
  CHECK(read_result({.exit_code = 0}, place.path(), log)["outcome"] == "failed");
  place.write("summary.json", "{\"outcome\": \"failed\", \"error\": \"no memory\\n  fix: less\"}");
  const auto failed = read_result({.exit_code = 4}, place.path(), log);
  CHECK(failed["reason"] == "no memory");
  CHECK(failed["exit_code"] == 4);
  // An older program told less.
  place.write("summary.json", "{\"outcome\": \"done\", \"final\": {}}");
  const auto old = read_result({.exit_code = 0}, place.path(), log);
  CHECK(old["outcome"] == "done");
  CHECK(old["samples_per_s"].is_null());
}
