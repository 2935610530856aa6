// Out of memory in training: the micro-batch is halved, nothing is lost, and from there on every
// bit is that of a run with the smaller micro-batch.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// A row has some 130 KiB of activations, the parameters have 0.3 MiB. The model counts the rows it
// has seen in a buffer.
constexpr const char* kRecipe = R"(
local scale = require "trainhost.scale"
return {
  name = "transformer",
  model = { "transformer", rows = 1024, width = 64, feed_forward = 256, tokens = 32 },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 2, batch = 128, seed = 5, timeout = 20, threads = 1 },
  scaling = { batch = scale.global },
}
)";

std::vector<std::string> differing(const std::map<std::string, std::string>& a,
                                   const std::map<std::string, std::string>& b) {
  std::vector<std::string> out;
  for (const auto& [name, bytes] : a) {
    const auto other = b.find(name);
    if (other == b.end() || other->second != bytes) out.push_back(name);
  }
  if (a.size() != b.size()) out.push_back("other tensors");
  return out;
}

Json read_json(const std::string& file) {
  std::ifstream in(file);
  return Json::parse(in);
}

class Bench {
 public:
  Bench() { std::ofstream(folder_ / "recipe.lua") << kRecipe; }

  std::string path(const std::string& run) const { return folder_ / run; }
  Ended train(const std::string& name, Arguments more) const {
    return started({"recipe.lua", "--run-dir", path(name)}, more);
  }
  Ended resume(const std::string& name, Arguments more) const {
    return started({"resume", path(name)}, more);
  }
  void copy(const std::string& from, const std::string& to) const {
    fs::copy(path(from), path(to), fs::copy_options::recursive);
  }
  Json summary(const std::string& name) const { return read_json(path(name) + "/summary.json"); }
  /// As if the recipe had cut its steps so.
  void cut_steps(const std::string& name, std::int64_t micro_batch, std::int64_t accumulate) const {
    Json plan = read_json(path(name) + "/plan.json");
    plan["train"]["accumulate"] = accumulate;
    plan["objectives"][0]["batch_per_rank"] = micro_batch;
    std::ofstream(path(name) + "/plan.json") << plan.dump(1);
  }

 private:
  Ended started(Arguments all, const Arguments& more) const {
    all.insert(all.end(), more.begin(), more.end());
    return trainhost::testing::run(all, folder_.path());
  }
  TemporaryFolder folder_;
};

/// Trains three steps, then three more: once with little memory, and once with the micro-batches
/// that this has led to.
void check_back_off(const std::string& strategy, const Arguments& more, const std::string& limit) {
  CAPTURE(strategy);
  const Bench bench;
  Arguments begin{"strategy=" + strategy, "train.max_steps=3", "train.workers=1"};
  if (strategy.find("single") != std::string::npos) begin.push_back("devices=1");
  begin.insert(begin.end(), more.begin(), more.end());
  const Ended begun = bench.train("begun", begin);
  INFO(begun.output);
  REQUIRE(begun.code == 0);
  bench.copy("begun", "short");
  bench.copy("begun", "small");

  const std::int64_t whole = strategy == "single" ? 128 : 64;
  const Ended squeezed =
      bench.resume("short", {"train.max_steps=6", "train.memory_limit=" + limit});
  INFO(squeezed.output);
  REQUIRE(squeezed.code == 0);
  CHECK_THAT(squeezed.output, Contains("step 4/8: out of memory; the micro-batch is halved, " +
                                       std::to_string(whole) + " → " + std::to_string(whole / 2)));
  const Json back_offs = bench.summary("short")["out_of_memory"];
  REQUIRE_FALSE(back_offs.empty());
  for (const Json& back_off : back_offs) REQUIRE(back_off["step"] == 3);
  const Json& last = back_offs.back();

  bench.cut_steps("small", last["micro_batch"], last["accumulate"]);
  const Ended small = bench.resume("small", {"train.max_steps=6"});
  INFO(small.output);
  REQUIRE(small.code == 0);
  CHECK_FALSE(bench.summary("small").contains("out_of_memory"));

  const auto bytes = checkpoint_bytes(bench.path("short"));
  CHECK(differing(bytes, checkpoint_bytes(bench.path("small"))) == std::vector<std::string>());
  // The rows of six steps, each once.
  const auto count = bytes.find("buffer/head/pooled_count");
  REQUIRE(count != bytes.end());
  double rows = 0;
  REQUIRE(count->second.size() == sizeof(rows));
  std::memcpy(&rows, count->second.data(), sizeof(rows));
  CHECK(rows == 6 * 128);
}

}  // namespace

TEST_CASE("after a back-off every bit is that of the smaller micro-batch") {
  const std::string strategy = GENERATE("single", "{\"single\",virtual_ranks=2}", "ddp", "dp",
                                        "zero1", "zero2", "{\"zero3\",resident_parameters=0}");
  check_back_off(strategy, {}, strategy == "single" ? "17" : "10");
}

TEST_CASE("one rank that runs out of memory behind a collective meets the others") {
  const std::string strategy = GENERATE("{\"single\",virtual_ranks=2}", "ddp", "dp", "zero1",
                                        "zero2", "{\"zero3\",resident_parameters=0}");
  // Ranks that are threads share the limit.
  const bool threads = strategy == "dp" || strategy.find("single") != std::string::npos;
  check_back_off(strategy, {"model.greedy_rank=1"}, threads ? "40" : "70");
}

TEST_CASE("a run that is to fail when memory is short does") {
  const Bench bench;
  const Ended run = bench.train("run", {"train.memory_limit=6", "train.on_out_of_memory=fail"});
  INFO(run.output);
  CHECK(run.code == 4);
  CHECK_THAT(run.output, Contains("the device has no memory left") && Contains("memory_limit"));
  CHECK_THAT(run.output, !Contains("halved"));
}

TEST_CASE("where not even one row fits, the run ends with what would help") {
  const Bench bench;
  const Ended run = bench.train("run", {"train.memory_limit=1"});
  INFO(run.output);
  CHECK(run.code == 4);
  CHECK_THAT(run.output, Contains("memory"));
}

TEST_CASE("a loss that compares its rows is not cut") {
  const Bench bench;
  const std::string task = "model.task=contrastive";
  for (const auto& [strategy, devices] : {std::pair{"single", "1"}, {"ddp", "2"}}) {
    CAPTURE(strategy);
    const Ended run =
        bench.train(strategy, {task, std::string("strategy=") + strategy,
                               std::string("devices=") + devices, "train.memory_limit=12"});
    INFO(run.output);
    CHECK(run.code == 4);
    CHECK_THAT(run.output, Contains("the loss compares its rows") && Contains("lower train.batch"));
  }
}

TEST_CASE("where the model can cut such a loss itself, it is asked to") {
  const Bench bench;
  const Arguments choice{"strategy=single", "devices=1", "model.task=gradcache",
                         "model.mini_batch=64", "train.max_steps=2"};
  Arguments limited = choice;
  limited.push_back("train.memory_limit=17");
  const Ended squeezed = bench.train("squeezed", limited);
  INFO(squeezed.output);
  REQUIRE(squeezed.code == 0);
  CHECK_THAT(squeezed.output, Contains("out of memory; its micro-batches are computed in smaller"));
  // As many times as were announced.
  std::int64_t size = 64;
  const Json back_offs = bench.summary("squeezed")["out_of_memory"];
  REQUIRE_FALSE(back_offs.empty());
  for (const Json& back_off : back_offs) {
    CHECK(back_off["step"] == 0);
    size /= 2;
  }
  Arguments smaller = choice;
  smaller.push_back("model.mini_batch=" + std::to_string(size));
  const Ended small = bench.train("small", smaller);
  INFO(small.output);
  REQUIRE(small.code == 0);
  CHECK(differing(checkpoint_bytes(bench.path("squeezed")),
                  checkpoint_bytes(bench.path("small"))) == std::vector<std::string>());
}

TEST_CASE("wherever in a step memory runs out, the ranks meet at its end") {
  // The tighter, the earlier: in a gather of forward or backward, in a unit, between two of them.
  for (const char* limit : {"5", "6", "7", "8", "9"}) {
    CAPTURE(limit);
    const Bench bench;
    const Ended run =
        bench.train("run", {"strategy={\"zero3\",resident_parameters=0}", "train.max_steps=4",
                            std::string("train.memory_limit=") + limit});
    INFO(run.output);
    CHECK(run.code == 0);
    CHECK_THAT(run.output, Contains("halved"));
  }
}

TEST_CASE("a proof runs as its plan says, or not at all") {
  const TemporaryFolder folder;
  std::ofstream(folder / "recipe.lua") << kRecipe;
  const Ended ended = trainhost::testing::run(
      {"prove", "recipe.lua", "--quick", "train.memory_limit=10"}, folder.path());
  INFO(ended.output);
  CHECK(ended.code == 4);
  CHECK_THAT(ended.output, Contains("memory") && !Contains("halved"));
}
