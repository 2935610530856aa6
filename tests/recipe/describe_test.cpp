// describe: a column per world, problems in their column.
#include "host/recipe/describe.h"

#include <nlohmann/json.hpp>

#include "fixture.h"

using namespace trainhost;
using namespace trainhost::recipe;
using namespace trainhost::recipe::test;
using Catch::Matchers::Contains;

namespace {

Description sample(const std::string& scaling) {
  const Recipe recipe = load(recipe_text("scaling = " + scaling));
  return describe(recipe, {{.ranks = 1}, {.ranks = 2}, {.ranks = 3}, {.ranks = 8}},
                  "yes: cpu, 2 cores");
}

}  // namespace

TEST_CASE("every world has its column") {
  const std::string text = describe_text(sample("{ lr = scale.linear }"));
  CHECK_THAT(text, Contains("  ranks                    1      2      3      8\n"));
  CHECK_THAT(text, Contains("  cf: batch per rank    2048   2048   2048   2048\n"));
  CHECK_THAT(text, Contains("  kg: effective batch   4096   8192  12288  32768\n"));
  CHECK_THAT(text, Contains("  cf: lr               0.001  0.002  0.003  0.008\n"));
  CHECK_THAT(text, Contains("8 ranks: cf: lr 0.001 → 0.008 (linear: 16384 / 2048)"));
  CHECK_THAT(text, Contains("this machine can run it: yes: cpu, 2 cores\n"));
  CHECK_THAT(text, Contains("embed_dim=32"));
  CHECK_THAT(text, Contains("auto (cuda → xpu → cpu), all"));
}

TEST_CASE("a world that does not work out says so in its column") {
  const Description description = sample("{ batch = scale.global }");
  CHECK_FALSE(description.columns[2].plan.has_value());
  const std::string text = describe_text(description);
  CHECK_THAT(text, Contains("  cf: batch per rank    2048   1024  –    256\n"));
  CHECK_THAT(text, Contains("3 ranks: r.lua:7: the global batch 2048"));
}

TEST_CASE("the JSON form has the same worlds") {
  const auto json = nlohmann::json::parse(describe_json(sample("{ batch = scale.global }")));
  CHECK(json["machine"] == "yes: cpu, 2 cores");
  REQUIRE(json["worlds"].size() == 4);
  CHECK(json["worlds"][1]["plan"]["objectives"][0]["batch_per_rank"] == 1024);
  CHECK_THAT(json["worlds"][2]["problem"].get<std::string>(), Contains("does not divide"));
}

TEST_CASE("what saves traffic and memory stands behind the precision") {
  const auto text = [](const std::vector<std::string>& overrides) {
    return economies_text(load(recipe_text(), overrides).base());
  };
  CHECK(text({}).empty());
  CHECK(text({"train.gradient_dtype=bf16", "train.activation_checkpointing=all"}) ==
        ", gradients travel in bf16, activation checkpointing of all units");
  CHECK(text({"train.activation_checkpointing=3"}) ==
        ", activation checkpointing of one unit in 3");
  CHECK(text({"train.activation_checkpointing={\"a\", \"b\"}"}) ==
        ", activation checkpointing of a, b");
}
