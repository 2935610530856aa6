// The recipes that are installed: each is right, but for strategies that are not there.
#include <filesystem>

#include "fixture.h"
#include "host/recipe/sandbox.h"

using namespace trainhost;
using namespace trainhost::recipe;
using namespace trainhost::recipe::test;
using Catch::Matchers::Contains;

namespace {

RunPlan shipped(const char* name, const World& world,
                const std::vector<std::string>& overrides = {}) {
  const std::string file = std::string(TRAINHOST_RECIPES) + "/" + name;
  return Recipe::load(file, overrides, paper_plugins()).resolve(world);
}

}  // namespace

TEST_CASE("the shipped recipes are right") {
  const RunPlan plan = shipped("kgat_4xT4.lua", {.ranks = 4});
  CHECK(plan.objectives[0].effective_batch == 8192);
  CHECK(plan.objectives[0].lr == 0.004);
  CHECK(plan.objectives[1].effective_batch == 16384);
  CHECK(plan.precision == "fp16");
  CHECK(plan.devices.kinds == std::vector<std::string>{"cuda", "xpu", "cpu"});
  CHECK(shipped("quickstart.lua", {.ranks = 2}).objectives[0].effective_batch == 1024);
  CHECK(shipped("kgat_2gpu_large.lua", {.ranks = 2}).devices.count == 2);
  CHECK(shipped("kgat_cpu.lua", {.ranks = 2}).devices.names_cpu());
  CHECK(shipped("kgat_4xT4.lua", {}, {"devices=2", "data.dir=/x"}).devices.count == 2);
}

TEST_CASE("the recipe for ZeRO is right, under other strategies too") {
  const RunPlan zero = shipped("kgat_4xT4_lowmem.lua", {.ranks = 4});
  CHECK(zero.strategy.id == "zero2");
  CHECK(zero.objectives[0].effective_batch == 8192);
  const RunPlan plan = shipped("kgat_4xT4_lowmem.lua", {.ranks = 4}, {"strategy=ddp"});
  CHECK(plan.objectives[0].effective_batch == 8192);
}

TEST_CASE("every shipped recipe says what it does, costs and gives") {
  int recipes = 0;
  for (const auto& file : std::filesystem::directory_iterator(TRAINHOST_RECIPES)) {
    if (file.path().extension() != ".lua") continue;
    ++recipes;
    const std::string source = read_recipe(file.path().string());
    INFO(file.path().filename().string());
    for (const char* part : {"-- Does ", "-- Costs ", "-- Gives ", "-- Try "}) {
      CHECK_THAT(source, Contains(part));
    }
  }
  CHECK(recipes >= 5);
}
