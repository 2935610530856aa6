// What a run does where devices do not open: ranks that train nothing, on three GPUs that are none.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "program.h"

using namespace trainhost_test;
using Catch::Contains;
using nlohmann::json;

namespace {

constexpr const char* kChain = R"(devices={"cuda", fallback = {"cpu"}})";

/// A workplace with GPUs, of which some do not open.
struct Machine {
  const Workplace place{};
  Ended ended{};

  Machine(const std::string& devices, Variables variables,
          const std::vector<std::string>& more = {}) {
    variables["TRAINHOST_PLUGIN_PATH"] = TRAINHOST_TEST_CUDA;
    std::vector<std::string> words = {"fake.lua", devices};
    words.insert(words.end(), more.begin(), more.end());
    ended = run(place, words, variables);
    INFO(ended.err);
  }
  json summary() const { return json::parse(place.read("runs/fake/summary.json")); }
  json plan() const { return json::parse(place.read("runs/fake/plan.json")); }
  std::string log() const { return place.read("runs/fake/log.txt"); }
};

}  // namespace

TEST_CASE("a device that is busy leaves another of its kind alone, aloud") {
  const Machine machine("devices=auto", {{"FAKE_BUSY", "cuda:1"}}, {"strategy=fake"});
  CHECK(machine.ended.code == 0);
  CHECK_THAT(machine.ended.err,
             Contains("cuda: device 1: it is busy → cuda: 1 rank") &&
                 Contains("the run goes on with cuda device 0 alone: device 1: it is busy"));
  const json told = machine.summary();
  CHECK(told["outcome"] == "done");
  CHECK(told["device"] == "cuda");
  CHECK(told["ranks"] == 1);
  CHECK(told["fallback"] == "cuda: device 1: it is busy → cuda: 1 rank");
  CHECK_THAT(machine.log(), Contains("cuda: device 1: it is busy → cuda: 1 rank") &&
                                Contains("the devices did not open"));
}

TEST_CASE("devices that cannot be connected leave one of them") {
  const Machine machine(R"(devices={"cuda", count = 2, fallback = {"cpu"}})",
                        {{"FAKE_APART", "cuda"}});
  CHECK(machine.ended.code == 0);
  CHECK(machine.summary()["ranks"] == 1);
  CHECK(machine.summary()["device"] == "cuda");
  CHECK_THAT(machine.ended.err, Contains("devices 0, 1 cannot be connected: no way between them"));
}

TEST_CASE("where no device of a kind opens, the next kind serves; the rules are evaluated anew") {
  const Machine machine(kChain, {{"FAKE_BUSY", "cuda:0,cuda:1,cuda:2"}}, {"train.threads=1"});
  CHECK(machine.ended.code == 0);
  const json told = machine.summary(), plan = machine.plan();
  CHECK(told["device"] == "cpu");
  CHECK_THAT(told["fallback"].get<std::string>(),
             Contains("cuda: device 0: it is busy → cuda: device 1: it is busy → cpu: "));
  CHECK(plan["device_kind"] == "cpu");
  const int ranks = told["ranks"];
  CHECK(plan["ranks"] == ranks);
  CHECK(plan["objectives"][0]["effective_batch"] == 8 * ranks);
  CHECK(plan["objectives"][0]["lr"] == Approx(0.001 * ranks));
  // The first attempt had three ranks; what it was to do was printed, and so is what is done.
  CHECK_THAT(machine.ended.err, Contains("batch 24 = 8 a rank × 3 ranks"));
  // One file of events, of the attempt that ran.
  int events = 0;
  for (const auto& entry : std::filesystem::directory_iterator(machine.place / "runs/fake")) {
    if (entry.path().filename().string().starts_with("events.out.tfevents")) ++events;
  }
  CHECK(events == 1);
}

TEST_CASE("what the recipe fixes ends the run with reason and fix") {
  const std::vector<std::string> fixed = {R"(devices={"cuda", count = 2})",
                                          R"(devices={"cuda", indices = {0, 1}})"};
  for (const std::string& devices : fixed) {
    const Machine machine(devices, {{"FAKE_BUSY", "cuda:1"}});
    CHECK(machine.ended.code == 4);
    CHECK_THAT(machine.ended.err, Contains("it is busy") && Contains("this is a test") &&
                                      Contains("let the recipe fall back to the CPU"));
    CHECK(machine.summary()["outcome"] == "failed");
    CHECK(machine.summary()["exit_code"] == 4);
  }
}

TEST_CASE("a device that fails after it was opened ends the run") {
  const Machine machine(kChain, {{"FAKE_RANK", "1:full"}});
  CHECK(machine.ended.code == 4);
  CHECK(machine.summary()["device"] == "cuda");
  CHECK_THAT(machine.ended.err, Contains("no memory left") && !Contains("→ cpu"));
}

TEST_CASE("a resumed run goes on with other devices too") {
  const Machine machine(kChain, {}, {"strategy=fake"});
  REQUIRE(machine.ended.code == 0);
  REQUIRE(machine.summary()["ranks"] == 3);
  const Ended again =
      run(machine.place, {"resume", "runs/fake"},
          {{"TRAINHOST_PLUGIN_PATH", TRAINHOST_TEST_CUDA}, {"FAKE_BUSY", "cuda:0"}});
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK(machine.summary()["ranks"] == 1);
  CHECK_THAT(again.err,
             Contains("the run goes on with cuda device 1 alone") && Contains("lr 0.001"));
}

TEST_CASE("under another launcher a device that does not open ends the rank") {
  const Machine machine(kChain, {{"FAKE_BUSY", "cuda:0"},
                                 {"RANK", "0"},
                                 {"WORLD_SIZE", "1"},
                                 {"LOCAL_RANK", "0"},
                                 {"LOCAL_WORLD_SIZE", "1"},
                                 {"MASTER_ADDR", "127.0.0.1"},
                                 {"MASTER_PORT", "29500"}});
  CHECK(machine.ended.code == 4);
}
