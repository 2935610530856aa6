// That TensorBoard itself reads the files is tensorboard_read_test.py's part.
#include <catch2/catch.hpp>
#include <regex>
#include <vector>

#include "host/telemetry/tensorboard_records.h"
#include "host/telemetry/tensorboard_writer.h"
#include "scratch.h"

using namespace trainhost::telemetry;
using namespace trainhost_test;
using Catch::Contains;

namespace {

double fixed_clock() { return 1700000000.25; }

std::vector<std::string> event_files(const Scratch& scratch) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path)) {
    out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string start() { return version_record(fixed_clock()); }

}  // namespace

TEST_CASE("records are, byte for byte, those of the tensorboard package") {
  const std::string ours =
      version_record(1700000000.0) + restart_record({1700000000.5, 41}) +
      scalars_record({1700000001.5, 70000}, {{"loss/cf", 0.1}, {"memory_mb", -1.5e9}}) +
      text_record({1700000002.25, 70000}, "plan", "    größer\n") +
      hparams_record({1700000003.0, 0}, {{"lr", 0.001}, {"strategy", "ddp"}});
  const std::string golden = read(TRAINHOST_GOLDEN "/tensorboard.tfevents");
  REQUIRE_FALSE(golden.empty());
  CHECK(ours == golden);
}

TEST_CASE("a tag that is no UTF-8 is mended") {
  for (const char* broken : {"a\xff"
                             "b",
                             "a\xc3", "a\xe2\x82", "a\xc0\xaf"}) {
    const std::string record = scalars_record({0, 1}, {{broken, 1}});
    CHECK_THAT(record, Contains("a?"));
  }
  CHECK_THAT(scalars_record({0, 1}, {{"größe €", 1}}), Contains("größe €"));
}

TEST_CASE("steps and evaluations become scalars by global step") {
  const Scratch scratch;
  TensorBoardWriter writer(scratch.path, -1, fixed_clock);
  writer.take(Step{.objective = "cf",
                   .global_step = 7,
                   .loss = 0.5,
                   .lr = 0.01,
                   .grad_norm = 2,
                   .samples_per_s = 100,
                   .memory_mb = 12,
                   .power_watts = 400,
                   .temperature_celsius = 60});
  writer.take(Step{.objective = "kg", .global_step = 8, .loss = 0.25});
  writer.take(Step{.objective = "kg", .global_step = 9, .loss = 0.125, .logged = false});
  writer.take(Step{.objective = "kg", .global_step = 9});
  writer.take(Evaluation{.global_step = 9, .metrics = {{"recall@20", 0.5, 0.25}, {"hit@20", 1}}});
  writer.take(Evaluation{.global_step = 9, .split = "test", .metrics = {{"recall@20", 0.5, 0.25}}});
  writer.take(StandIn{"synthetic"});
  writer.take(Log{});
  CHECK(read(writer.path()).empty());
  writer.flush();
  const double now = fixed_clock();
  CHECK(read(writer.path()) ==
        start() +
            scalars_record({now, 7}, {{"loss/cf", 0.5},
                                      {"lr/cf", 0.01},
                                      {"grad_norm/cf", 2},
                                      {"samples_per_s/cf", 100},
                                      {"memory_mb", 12},
                                      {"power_watts", 400},
                                      {"temperature_celsius", 60}}) +
            scalars_record({now, 8}, {{"loss/kg", 0.25}}) +
            scalars_record({now, 9}, {{"evaluation/recall@20", 0.5},
                                      {"evaluation_baseline/recall@20", 0.25},
                                      {"evaluation/hit@20", 1}}) +
            scalars_record({now, 9}, {{"test/recall@20", 0.5}, {"test_baseline/recall@20", 0.25}}) +
            text_record({now, 9}, "stand-in", "synthetic"));
}

TEST_CASE("files of one run have names in the order in which they were begun") {
  const Scratch scratch;
  for (int number = 0; number < 3; ++number) {
    TensorBoardWriter(scratch.path, number == 0 ? -1 : 10 * number, fixed_clock).flush();
  }
  const auto names = event_files(scratch);
  REQUIRE(names.size() == 3);
  for (const std::string& name : names) {
    CHECK(std::regex_match(name,
                           std::regex("events\\.out\\.tfevents\\.[0-9]{10}\\..+\\.[0-9]+\\.0")));
  }
  CHECK(read(scratch / names[0]) == start());
  CHECK(read(scratch / names[1]) == start() + restart_record({fixed_clock(), 10}));
  CHECK(read(scratch / names[2]) == start() + restart_record({fixed_clock(), 20}));
}

TEST_CASE("a folder that cannot be written costs the events, not the run") {
  TensorBoardWriter writer("/nonexistent", -1, fixed_clock);
  writer.take(Step{.objective = "cf", .global_step = 7, .loss = 0.5});
  writer.flush();
  CHECK_THAT(writer.take_warning(),
             Contains("/nonexistent/events.out") && Contains("No such file"));
  CHECK(writer.take_warning().empty());
}
