#include "host/telemetry/run_directory.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/telemetry/run_record.h"
#include "trainhost/error.h"

namespace fs = std::filesystem;
using namespace trainhost;
using namespace trainhost::telemetry;
using nlohmann::json;

namespace {

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("trainhost-runs-" + std::to_string(getpid()));
  Scratch() { fs::remove_all(path); }
  ~Scratch() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

std::string read(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("runs of one name are numbered") {
  const Scratch scratch;
  const std::string runs = scratch / "runs";
  CHECK(RunDirectory::create_numbered(runs, "a").path() == runs + "/a");
  CHECK(RunDirectory::create_numbered(runs, "a").path() == runs + "/a-2");
  CHECK(RunDirectory::create_numbered(runs, "a").path() == runs + "/a-3");
  CHECK(RunDirectory::create_numbered(runs, "b").path() == runs + "/b");
  std::ofstream(scratch / "file") << "x";
  CHECK_THROWS_WITH(RunDirectory::create_numbered(scratch / "file", "a"),
                    Catch::Contains("--run-dir"));
}

TEST_CASE("a folder that holds a run is not taken by another") {
  const Scratch scratch;
  const std::string path = scratch / "mine";
  CHECK_THROWS_WITH(RunDirectory::open(path), Catch::Contains("no such run directory"));
  RunDirectory::create_at(path);
  CHECK_THROWS_WITH(RunDirectory::open(path), Catch::Contains("no plan.json"));
  RunDirectory::create_at(path).write_plan("{}");
  CHECK_THROWS_WITH(RunDirectory::create_at(path), Catch::Contains("trainhost resume"));
  CHECK(RunDirectory::open(path).plan_file() == path + "/plan.json");
}

TEST_CASE("metrics and log grow, also when a run goes on") {
  const Scratch scratch;
  const std::string path = scratch / "a";
  {
    RunDirectory run = RunDirectory::create_at(path);
    run.write_plan("{}");
    run.add_metrics("{\"step\":1}");
    run.log("hello");
  }
  RunDirectory run = RunDirectory::open(path);
  run.add_metrics("{\"step\":2}");
  run.flush();
  CHECK(read(path + "/metrics.jsonl") == "{\"step\":1}\n{\"step\":2}\n");
  CHECK_THAT(read(path + "/log.txt"), Catch::EndsWith(" hello\n"));
  run.write_summary("{}");
  CHECK(read(path + "/summary.json") == "{}");
  CHECK_FALSE(fs::exists(path + "/summary.json.new"));
}

TEST_CASE("a run directory that is locked is not taken by another") {
  const Scratch scratch;
  RunDirectory run = RunDirectory::create_at(scratch / "a");
  run.write_plan("{}");
  run.lock();
  {
    const RunDirectory other = RunDirectory::open(scratch / "a");
    CHECK_THROWS_WITH(other.lock(), Catch::Contains("another trainhost") && Catch::Contains("/a"));
  }
  run.lock();
  run = RunDirectory::create_at(scratch / "b");
  CHECK_NOTHROW(RunDirectory::open(scratch / "a").lock());
}

TEST_CASE("the record of a run becomes metrics and a summary") {
  RunRecord record({.name = "a",
                    .recipe = "a.lua",
                    .model = "kgat",
                    .strategy = "ddp",
                    .precision = "fp32",
                    .device = "cpu",
                    .fallback = "cuda: none → cpu: 2 ranks",
                    .ranks = 2});
  const auto step = json::parse(record.take(0, Step{.objective = "cf",
                                                    .epoch = 1,
                                                    .step = 3,
                                                    .steps = 9,
                                                    .global_step = 12,
                                                    .loss = 0.5,
                                                    .lr = 0.01,
                                                    .samples_per_s = 100,
                                                    .memory_mb = 7,
                                                    .power_watts = 412.5,
                                                    .temperature_celsius = 61}));
  CHECK(step["epoch"] == 2);
  CHECK(step["step"] == 12);
  CHECK(step["objective"] == "cf");
  CHECK(step["loss"] == 0.5);
  CHECK(step["lr"] == 0.01);
  CHECK(step["samples_per_s"] == 100);
  CHECK(step["memory"] == 7);
  CHECK(step["grad_norm"].is_null());
  CHECK(step["power_watts"] == 412.5);
  CHECK(step["temperature_celsius"] == 61);
  CHECK(json::parse(record.take(0, Step{.objective = "cf"}))["power_watts"].is_null());
  CHECK(record.take(0, Step{.logged = false}).empty());

  record.take(0, Evaluation{.epoch = 0, .metrics = {{"recall@20", 0.3, 0.1}}, .is_best = true});
  const auto later =
      json::parse(record.take(0, Evaluation{.epoch = 1, .metrics = {{"recall@20", 0.2, 0.1}}}));
  CHECK(later["evaluation"]["recall@20"] == 0.2);
  record.take(0, StandIn{"synthetic"});
  record.take(0, StandIn{"synthetic"});
  record.take(0, Phase{"train", false, 1.5});
  record.take(0, Phase{"train", false, 1.5});
  record.take(1, Phase{"train", false, 100});
  record.take(0, telemetry::Checkpoint{.path = "/x/step-1"});

  const auto summary = json::parse(record.summary({.outcome = "failed",
                                                   .error = "boom",
                                                   .exit_code = 5,
                                                   .peak_memory_mb = {1, 2},
                                                   .seconds = 9}));
  CHECK(summary["outcome"] == "failed");
  CHECK(summary["error"] == "boom");
  CHECK(summary["final"]["recall@20"] == 0.2);
  CHECK(summary["best"]["recall@20"] == 0.3);
  CHECK(summary["baseline"]["recall@20"] == 0.1);
  CHECK(summary["seconds"]["train"] == 3.0);
  CHECK(summary["seconds"]["total"] == 9.0);
  CHECK(summary["peak_memory_mb"] == json::array({1.0, 2.0}));
  CHECK(summary["ranks"] == 2);
  CHECK(summary["device"] == "cpu");
  CHECK(summary["fallback"] == "cuda: none → cpu: 2 ranks");
  CHECK(summary["stand_in"] == "synthetic");
  CHECK(summary["checkpoint"] == "/x/step-1");
}

TEST_CASE("what rank 0 sums up itself wins, unless it is no object") {
  RunRecord record({.name = "a"});
  record.take(0, Evaluation{.metrics = {{"recall@20", 0.3}}});
  SECTION("an object") {
    record.take(0, Summary{.json = R"({"best": {"recall@20": 0.9}, "seconds": {"data": 2}})"});
    const auto summary = json::parse(record.summary({.seconds = 5}));
    CHECK(summary["best"]["recall@20"] == 0.9);
    CHECK(summary["seconds"]["data"] == 2);
    CHECK(summary["seconds"]["total"] == 5.0);
  }
  SECTION("garbage") {
    const std::string deep(100000, '[');
    for (const std::string& text : {std::string("[1]"), std::string("no"), deep}) {
      record.take(0, Summary{.json = text});
      CHECK(json::parse(record.summary({}))["best"]["recall@20"] == 0.3);
    }
  }
}

TEST_CASE("a run that goes on writes the steps after its checkpoint once") {
  const Scratch scratch;
  {
    RunDirectory directory = RunDirectory::create_at(scratch / "run");
    directory.write_plan("{}");
    for (int step = 1; step <= 9; ++step) {
      directory.add_metrics(json{{"step", step}, {"loss", 0.5}}.dump());
    }
    directory.add_metrics("{\"step\": 10, \"lo");  // cut by a kill
  }
  RunDirectory directory = RunDirectory::open(scratch / "run");
  directory.forget_metrics_after(4);
  directory.add_metrics(json{{"step", 5}}.dump());
  directory.flush();
  std::istringstream lines(read(scratch / "run/metrics.jsonl"));
  std::vector<int> steps;
  for (std::string line; std::getline(lines, line);) steps.push_back(json::parse(line)["step"]);
  CHECK(steps == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE(
    "rows of evaluations go to CSV files of their own, and go with the steps after a checkpoint") {
  const Scratch scratch;
  RunDirectory directory = RunDirectory::create_at(scratch / "run");
  const auto evaluated = [&](int step, const std::string& file) {
    Evaluation evaluation;
    evaluation.rows.push_back({file, "epoch,steps,spearman", "1," + std::to_string(step) + ",0.5"});
    directory.add_evaluation(evaluation);
  };
  evaluated(3, "sts.csv");
  evaluated(6, "sts.csv");
  CHECK(read(scratch / "run/eval/sts.csv") == "epoch,steps,spearman\n1,3,0.5\n1,6,0.5\n");
  directory.forget_metrics_after(4);
  CHECK(read(scratch / "run/eval/sts.csv") == "epoch,steps,spearman\n1,3,0.5\n");
  CHECK(directory.take_warning().empty());
  for (const char* name : {"../plan.json", "", ".hidden", "a/b"}) {
    evaluated(7, name);
    CHECK_THAT(directory.take_warning(), Catch::Contains("no usable name"));
  }
  CHECK_FALSE(std::filesystem::exists(scratch / "run/plan.json"));
}
