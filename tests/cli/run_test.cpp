// trainhost RECIPE and resume, end to end, with ranks that train nothing.
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "program.h"

using namespace trainhost_test;
using Catch::Contains;
using nlohmann::json;

namespace {

const Variables kSlow = {{"FAKE_STEPS", "100000"}};

json summary(const Workplace& place, const std::string& run = "runs/fake") {
  return json::parse(place.read(run + "/summary.json"));
}

}  // namespace

TEST_CASE("a recipe runs") {
  const Workplace place;
  const Ended ended = run(place, {"fake.lua", "train.epochs=2"});
  INFO(ended.err);
  REQUIRE(ended.code == 0);
  CHECK_THAT(ended.err, Contains("trainhost " TRAINHOST_VERSION "  fake") &&
                            Contains("cpu: 2 ranks") && Contains("batch 16 = 8 a rank × 2 ranks") &&
                            Contains("lr 0.001 → 0.002") && Contains("graph") &&
                            Contains("epoch 1/1  cf  step 4/4"));
  CHECK_THAT(ended.out, Contains("0.2500 (0.1250)*") && Contains("run directory: "));
  CHECK_THAT(ended.out, !Contains("epoch 1/1"));
  const json told = summary(place);
  CHECK(told["outcome"] == "done");
  CHECK(told["final"]["recall@20"] == 0.25);
  CHECK(told["baseline"]["recall@20"] == 0.125);
  CHECK(told["peak_memory_mb"] == json::array({10.0, 11.0}));
  CHECK(told["ranks"] == 2);
  CHECK(told["device"] == "cpu");
  CHECK(told["fallback"].is_null());
  CHECK(told["fake"] == true);
  CHECK(json::parse(place.read("runs/fake/plan.json"))["train"]["epochs"] == 2);
  CHECK(std::ranges::count(place.read("runs/fake/metrics.jsonl"), '\n') == 5);
  CHECK_THAT(place.read("runs/fake/log.txt"), Contains("the run ended: done"));
}

TEST_CASE("variables that change what devices do stand in the banner") {
  const Workplace place;
  const Ended ended = run(place, {"fake.lua"},
                          {{"CUDA_VISIBLE_DEVICES", "2,3"},
                           {"NCCL_DEBUG", "WARN"},
                           {"NCCL_P2P_DISABLE", "1"},
                           {"NCCL_TIMEOUT", "1800"},
                           {"PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"}});
  INFO(ended.err);
  CHECK_THAT(ended.err, Contains("visible") && Contains("CUDA_VISIBLE_DEVICES=2,3") &&
                            Contains("variables") && Contains("NCCL_DEBUG=WARN") &&
                            Contains("NCCL_P2P_DISABLE=1") && Contains("NCCL_TIMEOUT=1800") &&
                            Contains("PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"));
}

TEST_CASE("runs are numbered, or kept where the user says") {
  const Workplace place;
  REQUIRE(run(place, {"fake.lua"}).code == 0);
  REQUIRE(run(place, {"fake.lua"}).code == 0);
  CHECK(place.has("runs/fake-2/summary.json"));
  REQUIRE(run(place, {"fake.lua", "--run-dir", "a/b"}).code == 0);
  CHECK(place.has("a/b/summary.json"));
  const Ended again = run(place, {"--run-dir", "a/b", "fake.lua"});
  CHECK(again.code == 2);
  CHECK_THAT(again.err, Contains("trainhost resume"));
}

TEST_CASE("a lost rank ends the run with one report") {
  const Workplace place;
  Variables variables = kSlow;
  variables["FAKE_RANK"] = "1:dies-talking";
  const Ended ended = run(place, {"fake.lua"}, variables);
  CHECK(ended.code == 5);
  CHECK_THAT(ended.err,
             Contains("trainhost: error: rank 1 (pid ") && Contains("was killed by SIGUSR1") &&
                 Contains("place:    behaving: dies-talking") && Contains("the reason is this"));
  CHECK_THAT(ended.err, !Contains("another rank was lost"));
  CHECK_THAT(place.read("runs/fake/log.txt"), Contains("another rank was lost"));
  CHECK(summary(place)["outcome"] == "failed");
  CHECK_THAT(summary(place)["error"].get<std::string>(), Contains("SIGUSR1"));
}

TEST_CASE("a rank's error is told with its exit code") {
  const Workplace place;
  const Ended ended = run(place, {"fake.lua"}, {{"FAKE_RANK", "0:error,1:error"}});
  CHECK(ended.code == 2);
  CHECK_THAT(ended.err, Contains("fake: the data is wrong"));
  CHECK(ended.err.find("fake: the data is wrong") == ended.err.rfind("fake: the data is wrong"));
}

TEST_CASE("an interrupted run has a checkpoint, from which it goes on") {
  const Workplace place;
  Program program(place, {"fake.lua"}, kSlow);
  REQUIRE(program.wait_for("step 1/"));
  kill(program.pid(), SIGINT);
  const Ended ended = program.wait();
  CHECK(ended.code == 130);
  CHECK_THAT(ended.err, Contains("writing a checkpoint; again to stop at once") &&
                            Contains("interrupted; go on with: trainhost resume "));
  CHECK(ended.out.empty());
  CHECK(summary(place)["outcome"] == "interrupted");

  const auto lines = std::ranges::count(place.read("runs/fake/metrics.jsonl"), '\n');
  const Ended resumed = run(place, {"resume", "runs/fake", "train.epochs=9", "devices=1"});
  INFO(resumed.err);
  CHECK(resumed.code == 0);
  CHECK_THAT(resumed.err,
             Contains("resume") && Contains("checkpoints/step-") && Contains("lr 0.001 → 0.001"));
  CHECK(summary(place)["outcome"] == "done");
  CHECK(summary(place)["ranks"] == 1);
  CHECK(json::parse(place.read("runs/fake/plan.json"))["train"]["epochs"] == 9);
  CHECK(std::ranges::count(place.read("runs/fake/metrics.jsonl"), '\n') == lines + 5);
}

TEST_CASE("SIGTERM is an interrupt too") {
  const Workplace place;
  Program program(place, {"fake.lua"}, kSlow);
  REQUIRE(program.wait_for("step 1/"));
  kill(program.pid(), SIGTERM);
  CHECK(program.wait().code == 143);
}

TEST_CASE("a resume that cannot be says why") {
  const Workplace place;
  CHECK_THAT(run(place, {"resume", "runs/none"}).err, Contains("no such run directory"));
  Variables variables = kSlow;
  variables["FAKE_RANK"] = "0:error";
  REQUIRE(run(place, {"fake.lua"}, variables).code == 2);
  CHECK_THAT(run(place, {"resume", "runs/fake"}).err, Contains("no whole checkpoint"));
  CHECK_THAT(run(place, {"resume", "runs/fake", "model.dim=9"}).err,
             Contains("a resume cannot change 'model.dim'") && Contains("train.epochs"));
  CHECK_THAT(run(place, {"resume", "runs/fake", "train.epochs=many"}).err,
             Contains("another type"));
  CHECK_THAT(run(place, {"resume", "runs/fake", "devices=0"}).err, Contains("devices=0"));
  place.write("runs/fake/plan.json", "{\"plan_version\": 1");
  CHECK(run(place, {"resume", "runs/fake"}).code == 2);
}

TEST_CASE("a terminal shows moving lines, and its Ctrl-C reaches the parent alone") {
  const Workplace place;
  Program program(place, {"fake.lua"}, kSlow, true);
  REQUIRE(program.wait_for("/100000  loss"));
  REQUIRE(program.wait_for("\x1b[1A\r\x1b[J"));
  program.type("\x03");
  const Ended ended = program.wait();
  CHECK(ended.code == 130);
  CHECK_THAT(ended.err, Contains("ETA") && Contains("interrupted; go on with"));
  CHECK_THAT(ended.err, !Contains("killed by"));
}

TEST_CASE("a process that torchrun placed as rank 1 starts that rank alone") {
  const Workplace place;
  const Variables placed = {{"RANK", "1"},
                            {"WORLD_SIZE", "2"},
                            {"LOCAL_RANK", "1"},
                            {"LOCAL_WORLD_SIZE", "2"},
                            {"MASTER_ADDR", "127.0.0.1"},
                            {"MASTER_PORT", "29511"}};
  const Ended ended = run(place, {"fake.lua"}, placed);
  INFO(ended.err);
  CHECK(ended.code == 0);
  CHECK(ended.out.empty());
  CHECK(ended.err.empty());
  CHECK_FALSE(place.has("runs"));
  Variables first = placed;
  first["RANK"] = first["LOCAL_RANK"] = "0";
  const Ended leader = run(place, {"fake.lua"}, first);
  CHECK(leader.code == 0);
  CHECK_THAT(leader.err, Contains("placed by torchrun: rank 0 of 2") &&
                             Contains("batch 16 = 8 a rank × 2 ranks"));
  CHECK(summary(place)["ranks"] == 2);
}

TEST_CASE("without a usable LibTorch nothing is started") {
  const Workplace place;
  const Ended ended = run(place, {"fake.lua"}, {{"TRAINHOST_LIBTORCH", "/nowhere"}});
  CHECK(ended.code == 4);
  CHECK_THAT(ended.err, Contains("no usable LibTorch") && Contains("fix:"));
  CHECK_FALSE(place.has("runs"));
}
