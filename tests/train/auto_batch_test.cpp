// train.batch = "auto": found by trials, kept, found again when something changes.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;
using Json = nlohmann::ordered_json;

constexpr const char* kRecipe = R"(
local scale = require "trainhost.scale"
return {
  name = "auto",
  model = { "transformer", rows = 4096, width = 64, feed_forward = 256, tokens = 32 },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 1, batch = "auto", memory_limit = "48MB", max_steps = 2, threads = 1 },
  scaling = { base_batch = 64, lr = scale.linear },
}
)";

class Bench {
 public:
  Bench() {
    std::ofstream(folder_ / "recipe.lua") << kRecipe;
    ::setenv("TRAINHOST_CACHE", (folder_ / "cache").c_str(), 1);
  }
  ~Bench() { ::unsetenv("TRAINHOST_CACHE"); }
  Ended train(const std::string& name, const Arguments& more = {}) const {
    Arguments all{"recipe.lua", "--run-dir", folder_ / name};
    all.insert(all.end(), more.begin(), more.end());
    return trainhost::testing::run(all, folder_.path());
  }
  Ended describe() const {
    return trainhost::testing::run({"describe", "recipe.lua"}, folder_.path());
  }
  std::int64_t batch_of(const std::string& name) const {
    std::ifstream in(folder_ / (name + "/plan.json"));
    return Json::parse(in)["train"]["batch"].get<std::int64_t>();
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("the largest batch is found once, fits, and scales the rate") {
  const Bench bench;
  CHECK_THAT(bench.describe().output,
             Contains("has not been found yet") && Contains("train.batch=N"));

  const Ended first = bench.train("first");
  INFO(first.output);
  REQUIRE(first.code == 0);
  CHECK_THAT(first.output, Contains("trying batches") && Contains("trials)"));
  CHECK_THAT(first.output, !Contains("out of memory; "));
  const std::int64_t batch = bench.batch_of("first");
  CHECK_THAT(first.output,
             Contains("batch " + std::to_string(2 * batch) + " = " + std::to_string(batch)) &&
                 Contains("(linear: " + std::to_string(2 * batch) + " / 64)"));

  const Ended second = bench.train("second", {"train.max_steps=1", "name=other"});
  INFO(second.output);
  REQUIRE(second.code == 0);
  CHECK_THAT(second.output, Contains("found earlier") && !Contains("trying batches"));
  CHECK(bench.batch_of("second") == batch);
  CHECK_THAT(bench.describe().output, Contains(std::to_string(2 * batch)));

  // Nine tenths of the limit: with a quarter more, memory runs out.
  const Ended more = bench.train(
      "more", {"train.batch=" + std::to_string(batch * 5 / 4), "train.on_out_of_memory=fail"});
  CHECK(more.code == 4);

  const Ended wider = bench.train("wider", {"model.width=128"});
  INFO(wider.output);
  REQUIRE(wider.code == 0);
  CHECK_THAT(wider.output, Contains("trying batches"));
  CHECK(bench.batch_of("wider") < batch);
}

TEST_CASE("a global batch is sought as the ranks' parts of it") {
  const Bench bench;
  const Ended run = bench.train("run", {"scaling.batch=global"});
  INFO(run.output);
  REQUIRE(run.code == 0);
  const std::int64_t batch = bench.batch_of("run");
  CHECK(batch % 2 == 0);
  CHECK_THAT(run.output, Contains("batch " + std::to_string(batch) + " = " +
                                  std::to_string(batch / 2) + " a rank × 2 ranks"));
}

TEST_CASE("where not one row fits there is no batch") {
  const Bench bench;
  const Ended run = bench.train("run", {"train.memory_limit=1"});
  INFO(run.output);
  CHECK(run.code == 4);
  CHECK_THAT(run.output, Contains("not even a batch of one row fits"));
}
