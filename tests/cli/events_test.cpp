// What a run leaves for pandas and TensorBoard, and that it trains on where it cannot leave it.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <variant>

#include "host/cli/run_events.h"
#include "program.h"

using namespace trainhost_test;
using Catch::Contains;

namespace {

std::vector<std::string> event_files(const Workplace& place) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(place / "runs/fake")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("events.out.tfevents.")) out.push_back("runs/fake/" + name);
  }
  return out;
}

}  // namespace

TEST_CASE("a run has a table and events") {
  const Workplace place;
  REQUIRE(run(place, {"fake.lua"}).code == 0);
  const std::string table = place.read("runs/fake/metrics.csv");
  CHECK(std::ranges::count(table, '\n') == 6);
  CHECK_THAT(table, Catch::StartsWith("epoch,step,objective,loss,lr,") &&
                        Contains("seconds,recall@20,ndcg@20,recall@20_baseline\n") &&
                        Contains("\n1,1,cf,1.0,0.001,8000.0,"));
  const auto files = event_files(place);
  REQUIRE(files.size() == 1);
  CHECK_THAT(place.read(files[0]),
             Contains("brain.Event:2") && Contains("loss/cf") && Contains("lr/cf") &&
                 Contains("validation/recall@20") && Contains("validation_baseline/recall@20") &&
                 Contains("_hparams_/session_start_info") && Contains("\"name\": \"fake\""));
}

TEST_CASE("a full disk costs the table with one warning, and not the run") {
  const Workplace place;
  std::filesystem::create_directories(place / "runs/full");
  REQUIRE(symlink("/dev/full", (place / "runs/full/metrics.csv.new").c_str()) == 0);
  const Ended ended = run(place, {"fake.lua", "--run-dir", "runs/full"});
  CHECK(ended.code == 0);
  const std::string warning = "metrics.csv ends here: No space left on device";
  CHECK_THAT(ended.err, Contains("warning: ") && Contains(warning));
  CHECK(ended.err.find(warning) == ended.err.rfind(warning));
  CHECK_THAT(place.read("runs/full/log.txt"), Contains(warning));
}

TEST_CASE("the settings of a run, for comparison with others") {
  trainhost::recipe::RunPlan plan;
  plan.model.id = "kgat";
  plan.strategy.id = "ddp";
  plan.ranks = 4;
  trainhost::recipe::ObjectivePlan objective;
  objective.name = "cf";
  objective.lr = 0.004;
  objective.effective_batch = 8192;
  plan.objectives = {objective};
  using trainhost::Value;
  plan.model.options.data = trainhost::Table{{"dim", Value{std::int64_t{64}, {}}},
                                             {"dropout", Value{0.5, {}}},
                                             {"fused", Value{true, {}}},
                                             {"aggregator", Value{std::string("bi"), {}}},
                                             {"layers", Value{trainhost::List{}, {}}}};
  const auto hparams = trainhost::cli::run_hparams(plan);
  const auto has = [&hparams](const std::string& name, const auto& value) {
    return std::ranges::find(hparams, trainhost::telemetry::Hparam{name, value}) != hparams.end();
  };
  CHECK(has("strategy", std::string("ddp")));
  CHECK(has("ranks", 4.0));
  CHECK(has("lr/cf", 0.004));
  CHECK(has("batch/cf", 8192.0));
  CHECK(has("model.dim", 64.0));
  CHECK(has("model.dropout", 0.5));
  CHECK(has("model.fused", std::string("true")));
  CHECK(has("model.aggregator", std::string("bi")));
  CHECK(std::ranges::none_of(hparams, [](const auto& one) { return one.first == "model.layers"; }));
}
