#include "host/telemetry/metrics_csv.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "file_limit.h"
#include "host/telemetry/run_directory.h"
#include "scratch.h"

using namespace trainhost::telemetry;
using namespace trainhost_test;
using Catch::Contains;
using json = nlohmann::ordered_json;

namespace {

constexpr const char* kFixed =
    "epoch,step,objective,loss,lr,samples_per_s,memory,utilisation,power_watts,"
    "temperature_celsius,grad_norm,step_ms,data_wait_ms,epoch_step,"
    "split,watched,is_best,seconds";

std::string step_line(int step, const std::string& objective = "cf") {
  return json{
      {"epoch", 1}, {"step", step}, {"objective", objective}, {"loss", 0.5}, {"lr", nullptr}}
      .dump();
}

std::string evaluation_line(int step, const std::vector<std::string>& metrics) {
  json out = {{"epoch", 1},
              {"step", step},
              {"evaluation", json::object()},
              {"baseline", json::object()},
              {"split", "test"},
              {"is_best", true}};
  for (const std::string& metric : metrics) {
    out["evaluation"][metric] = 0.25;
    out["baseline"][metric] = 0.125;
  }
  return out.dump();
}

std::vector<std::string> lines(const std::string& file) {
  std::vector<std::string> out;
  std::istringstream in(read(file));
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::size_t commas(const std::string& line) {
  return static_cast<std::size_t>(std::count(line.begin(), line.end(), ','));
}

}  // namespace

TEST_CASE("steps and evaluations are rows under one header") {
  const Scratch scratch;
  RunDirectory directory = RunDirectory::create_at(scratch / "run");
  const std::string file = scratch / "run/metrics.csv";
  directory.add_metrics(step_line(1));
  directory.flush();
  REQUIRE(lines(file) == std::vector<std::string>{kFixed, "1,1,cf,0.5,,,,,,,,,,,,,,"});
  directory.add_metrics(evaluation_line(1, {"recall@20"}));
  directory.add_metrics(step_line(2));
  directory.flush();
  const auto rows = lines(file);
  REQUIRE(rows.size() == 4);
  CHECK(rows[0] == std::string(kFixed) + ",recall@20,recall@20_baseline");
  CHECK(rows[1] == "1,1,cf,0.5,,,,,,,,,,,,,,,,");
  CHECK(rows[2] == "1,1,,,,,,,,,,,,,test,,true,,0.25,0.125");
  CHECK(rows[3] == "1,2,cf,0.5,,,,,,,,,,,,,,,,");
  CHECK(directory.take_warning().empty());
}

TEST_CASE("a metric that comes late gets its column behind the others") {
  const Scratch scratch;
  RunDirectory directory = RunDirectory::create_at(scratch / "run");
  directory.add_metrics(evaluation_line(1, {"b"}));
  directory.add_metrics(evaluation_line(2, {"a", "b"}));
  directory.add_metrics(step_line(3));
  directory.flush();
  const auto rows = lines(scratch / "run/metrics.csv");
  REQUIRE(rows.size() == 4);
  CHECK_THAT(rows[0], Catch::EndsWith("seconds,b,b_baseline,a,a_baseline"));
  CHECK_THAT(rows[1], Catch::EndsWith("0.25,0.125,,"));
  for (const std::string& row : rows) CHECK(commas(row) == commas(rows[0]));
}

TEST_CASE("texts are quoted as RFC 4180 says") {
  const Scratch scratch;
  RunDirectory directory = RunDirectory::create_at(scratch / "run");
  directory.add_metrics(step_line(1, "a,\"b\"\nc"));
  directory.add_metrics(step_line(1, "the \"best\""));
  directory.add_metrics(evaluation_line(2, {"x,y"}));
  directory.flush();
  CHECK_THAT(read(scratch / "run/metrics.csv"), Contains("1,1,\"a,\"\"b\"\"\nc\",0.5") &&
                                                    Contains("\n1,1,\"the \"\"best\"\"\",0.5") &&
                                                    Contains("\"x,y\",\"x,y_baseline\"\n"));
}

TEST_CASE("a run that goes on has each step once") {
  const Scratch scratch;
  const std::string file = scratch / "run/metrics.csv";
  {
    RunDirectory directory = RunDirectory::create_at(scratch / "run");
    directory.write_plan("{}");
    for (int step = 1; step <= 9; ++step) directory.add_metrics(step_line(step));
    directory.add_metrics(evaluation_line(9, {"late"}));
    directory.add_metrics("{\"step\": 10, \"lo");  // cut by a kill
  }
  REQUIRE(lines(file).size() == 11);
  RunDirectory directory = RunDirectory::open(scratch / "run");
  CHECK(directory.goes_on_after() == -1);
  directory.forget_metrics_after(4);
  CHECK(directory.goes_on_after() == 4);
  CHECK(lines(file).size() == 5);
  directory.add_metrics(step_line(5));
  directory.flush();
  const auto rows = lines(file);
  REQUIRE(rows.size() == 6);
  CHECK(rows[0] == kFixed);
  CHECK_THAT(rows[5], Catch::StartsWith("1,5,cf"));
}

TEST_CASE("opening a run touches no table") {
  const Scratch scratch;
  RunDirectory::create_at(scratch / "run").write_plan("{}");
  RunDirectory directory = RunDirectory::open(scratch / "run");
  directory.flush();
  CHECK_FALSE(std::filesystem::exists(scratch / "run/metrics.csv"));
}

TEST_CASE("a table that cannot be written is given up with one warning") {
  const Scratch scratch;
  RunDirectory directory = RunDirectory::create_at(scratch / "run");
  REQUIRE(symlink("/dev/full", (scratch / "run/metrics.csv.new").c_str()) == 0);
  directory.add_metrics(step_line(1));
  directory.add_metrics(step_line(2));
  directory.flush();
  CHECK_THAT(directory.take_warning(),
             Contains("metrics.csv ends here: No space left") && Contains("training goes on"));
  directory.add_metrics(evaluation_line(2, {"a"}));
  directory.flush();
  CHECK(directory.take_warning().empty());
  CHECK(lines(scratch / "run/metrics.jsonl").size() == 3);
}

TEST_CASE("metrics.jsonl that cannot be written warns once") {
  const Scratch scratch;
  RunDirectory directory = RunDirectory::create_at(scratch / "run");
  directory.add_metrics(step_line(1));
  directory.flush();
  {
    const FileLimit full(10);
    directory.add_metrics(step_line(2));
    directory.flush();
    CHECK_THAT(directory.take_warning(), Contains("metrics.jsonl lacks lines from here on: File") &&
                                             Contains("metrics.csv ends here: File too large"));
    directory.add_metrics(step_line(3));
    directory.flush();
    CHECK(directory.take_warning().empty());
  }
  CHECK(lines(scratch / "run/metrics.csv").size() == 2);
}
