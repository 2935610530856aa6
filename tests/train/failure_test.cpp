// Failures inside a step, under every strategy: one report, the right exit code, nothing left.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

constexpr const char* kTiny = R"(
local scale = require "trainhost.scale"
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 3, batch = 12, seed = 5, timeout = 20 },
  scaling = { batch = scale.global },
}
)";
// A layer has 72 MiB of parameters.
constexpr const char* kTransformer = R"(
return {
  name = "transformer",
  model = { "transformer", rows = 24, width = 1536, feed_forward = 3072 },
  devices = { "cpu", count = 2 },
  strategy = { "zero3" },
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 1, batch = 2, seed = 5, timeout = 20 },
}
)";

struct Bench {
  TemporaryFolder folder;
  std::string offloaded = folder / "offloaded";
  explicit Bench(const char* recipe) {
    std::ofstream(folder / "recipe.lua") << recipe;
    fs::create_directory(offloaded);
  }
  Ended run(Arguments more) const {
    Arguments all{"recipe.lua", "--run-dir", folder / "run"};
    all.insert(all.end(), more.begin(), more.end());
    return trainhost::testing::run(all, folder.path());
  }
  void check_nothing_left() const {
    CHECK(processes_with(folder.path()) == 0);
    CHECK(fs::is_empty(offloaded));
    CHECK(fs::exists(folder / "run/summary.json"));
  }
  /// Every strategy, without memory of its own for small units.
  std::vector<std::string> strategies() const {
    const std::string host = "offload_optimizer=true,offload_directory=\"" + offloaded + "\"";
    return {"single",
            "{\"single\",virtual_ranks=2}",
            "ddp",
            "dp",
            "zero1",
            "zero2",
            "{\"zero3\",resident_parameters=0}",
            "{\"zero3\",resident_parameters=0,offload_parameters=true," + host + "}"};
  }
};

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("a failure in the middle of a step ends the run with one report") {
  struct Case {
    const char* fault;
    const char* report;
  };
  const auto [fault, report] = GENERATE(Case{"throw in unit", "a fault on request"},
                                        Case{"throw in backward", "a fault on request"},
                                        Case{"kill in backward", "SIGKILL"});
  const Bench bench(kTiny);
  for (const std::string& strategy : bench.strategies()) {
    const bool alone = strategy.find("single") != std::string::npos;
    const Ended ended =
        bench.run({"strategy=" + strategy, alone ? "devices=1" : "devices=2",
                   std::string("model.fault=") + fault,
                   strategy == "single" ? "model.fault_rank=0" : "model.fault_rank=1"});
    INFO(fault << " " << strategy << "\n" << ended.output);
    CHECK(ended.code == 5);
    CHECK(count(ended.output, "trainhost: error:") == 1);
    CHECK(count(ended.output, report) == 1);
    CHECK_THAT(ended.output, Contains("epoch 1, fit, step 4/4"));
    bench.check_nothing_left();
    fs::remove_all(bench.folder / "run");
  }
}

TEST_CASE("a rank without memory for the next unit says so") {
  const Bench bench(kTransformer);
  const Ended ended = bench.run({"model.starved_rank=1"});
  INFO(ended.output);
  CHECK(ended.code == 4);
  CHECK_THAT(ended.output, Contains("rank 1") && Contains("the device has no memory left") &&
                               Contains("75565056") && Contains("prefetch = false"));
  CHECK(count(ended.output, "trainhost: error:") == 1);
  bench.check_nothing_left();
}
