#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "processes.h"

using Catch::Matchers::Contains;

TEST_CASE("ranks as processes: every operation gives the reference's bits") {
  const int world = GENERATE(1, 2, 3, 4);
  CAPTURE(world);
  for (const std::string& said : Processes("operations", world).said()) CHECK(said == "ok");
}

TEST_CASE("ranks as processes: vectors of many chunks", "[slow]") {
  const int world = GENERATE(2, 3);
  CAPTURE(world);
  for (const std::string& said : Processes("large", world).said()) CHECK(said == "ok");
}

TEST_CASE("ranks that issue different operations are told both") {
  const std::vector<std::string> said = Processes("mismatch", 3).said();
  for (const std::string& text : said) {
    CHECK_THAT(text, Contains("different operations"));
    CHECK_THAT(text, Contains("all_reduce of 1000 float32, sum, for the strategy"));
    CHECK_THAT(text, Contains("rank 2: broadcast of 1000 float32, root 0, for the strategy"));
  }
}

TEST_CASE("a rank that does not come is named with the operation") {
  const std::vector<std::string> said = Processes("missing", 3).said();
  CHECK(said[2] == "stayed away");
  for (const int rank : {0, 1}) {
    CHECK_THAT(said[static_cast<std::size_t>(rank)],
               Contains("all_reduce of 1000 float32 (operation 1)"));
    CHECK_THAT(said[static_cast<std::size_t>(rank)], Contains("rank 2 did not come within 3 s"));
  }
}

TEST_CASE("a raised abort signal ends waiting ranks long before their time-out") {
  Processes ranks("waiting", 3);
  ranks.wait_until_running();
  ranks.abort().raise(2);
  const std::vector<std::string> said = ranks.said();
  for (const int rank : {0, 1}) {
    CHECK_THAT(said[static_cast<std::size_t>(rank)], Contains("barrier"));
    CHECK_THAT(said[static_cast<std::size_t>(rank)], Contains("rank 2 was lost"));
  }
}

TEST_CASE("an abort that no rank caused blames none") {
  Processes ranks("waiting", 2);
  ranks.wait_until_running();
  ranks.abort().raise(-1);
  CHECK_THAT(ranks.said()[0], Contains("the run was ended"));
}

TEST_CASE("the others end when a rank is killed in the middle of its work") {
  Processes ranks("endless", 3);
  ranks.wait_until_running();
  ranks.kill(1);
  const std::vector<std::string> said = ranks.said();
  CHECK(said[1].empty());
  for (const int rank : {0, 2}) {
    CHECK_THAT(said[static_cast<std::size_t>(rank)], Contains("all_reduce of 500000 float32"));
    CHECK_THAT(said[static_cast<std::size_t>(rank)], Contains("rank 1 was lost"));
  }
}

TEST_CASE("the abort signal ends ranks in the middle of their work") {
  Processes ranks("endless", 4);
  ranks.wait_until_running();
  ranks.abort().raise(3);
  for (const std::string& said : ranks.said()) CHECK_THAT(said, Contains("was lost"));
}

TEST_CASE("a hundred groups leave no descriptor, mapping or thread behind") {
  for (const std::string& said : Processes("leaks", 2).said()) CHECK(said == "ok");
}

TEST_CASE("shared memory lives as long as the last tensor in it") {
  for (const std::string& said : Processes("outlive", 2).said()) CHECK(said == "ok");
}

TEST_CASE("ranks of another machine are refused with the way out") {
  const std::vector<std::string> said = Processes("other_machine", 2).said();
  CHECK_THAT(said[1], Contains("several machines"));
  CHECK_THAT(said[1], Contains("MPI"));
}
