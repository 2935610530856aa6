// The arithmetic of predictions, and how they are shown.
#include "host/cli/costs.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "host/cli/cost_report.h"

using namespace trainhost::cli;
using Catch::Contains;

namespace {

StrategyCost cost(const std::string& name, std::int64_t optimizer, std::int64_t sent) {
  StrategyCost out;
  out.strategy = name;
  out.claimed.parameters = out.claimed.gradients = 1000;
  out.claimed.optimizer = optimizer;
  out.claimed.sum = 2000 + optimizer;
  out.claimed.traffic = {sent};
  return out;
}

/// Two cores; ranks of a probe of two compute 1 s + 0.1 s a row, and send 1000 bytes a second.
Costs sample() {
  Costs costs;
  costs.parameters = 250;
  costs.objectives = {"cf"};
  costs.device = "cpu";
  costs.cores = 2;
  for (const std::int64_t ranks : {2, 4}) {
    WorldCost world{.ranks = ranks, .micro_batches = 3, .rows = {10}, .strategies = {}};
    world.strategies = {cost("ddp", 2000, 1000), cost("zero1", 2000 / ranks, 1000)};
    costs.worlds.push_back(world);
  }
  Probed probed;
  probed.ranks = 2;
  probed.objectives = {{.activations = {100, 20}, .compute = {1, 0.1}, .update_seconds = 0.5}};
  probed.bytes_per_second = 1000;
  probed.base_bytes = 50;
  probed.free_bytes = 10000;
  costs.probed[2] = probed;
  return costs;
}

}  // namespace

TEST_CASE("a line through two batches") {
  const Line line = line_through(4, 14, 8, 22);
  CHECK(line.at(0) == Approx(6));
  CHECK(line.at(16) == Approx(38));
  // Noise, or one and the same batch: the larger figure for all.
  CHECK(line_through(4, 22, 8, 14).at(100) == Approx(22));
  CHECK(line_through(4, 14, 4, 15).at(100) == Approx(15));
  CHECK(line_through(4, 1, 8, 22).at(2) == Approx(5.5));
}

TEST_CASE("a step is computation, update and what is sent; too many ranks take turns") {
  Costs costs = sample();
  predict(costs);
  const auto at = [&](std::size_t world, std::size_t strategy) {
    return costs.worlds[world].strategies[strategy].predicted->objectives[0];
  };
  CHECK(at(0, 0).compute_seconds == Approx(3 * 2));
  CHECK(at(0, 0).update_seconds == Approx(0.5));
  CHECK(at(0, 0).collective_seconds == Approx(1));
  CHECK(at(0, 0).step_seconds() == Approx(7.5));
  CHECK(at(0, 1).update_seconds == Approx(0.25));
  CHECK(at(1, 0).step_seconds() == Approx(15));
  CHECK(at(1, 1).update_seconds == Approx(2 * 0.125));
  CHECK(costs.worlds[0].strategies[0].predicted->activations == 300);
}

TEST_CASE("what fits is what all ranks of the machine need") {
  Costs costs = sample();
  predict(costs);
  // 2 (4300 + 50) and 2 (3300 + 50) of 10000; 4 (4300 + 50) and 4 (2800 + 50).
  CHECK(costs.worlds[0].strategies[0].fits == true);
  CHECK(costs.worlds[1].strategies[0].fits == false);
  CHECK(costs.worlds[1].strategies[1].fits == false);
  costs.device = "cuda";
  costs.device_bytes = 4200;
  predict(costs);
  CHECK(costs.worlds[1].strategies[0].fits == false);
  CHECK(costs.worlds[1].strategies[1].fits == true);
  costs.device_bytes = -1;
  predict(costs);
  CHECK_FALSE(costs.worlds[1].strategies[1].fits.has_value());
}

TEST_CASE("without a probe nothing is predicted") {
  Costs costs = sample();
  costs.probed.clear();
  predict(costs);
  CHECK_FALSE(costs.worlds[0].strategies[0].predicted.has_value());
  CHECK_THAT(costs_text(costs), Contains("ddp") && !Contains("predicted"));
}

TEST_CASE("the tables and the document say the same") {
  Costs costs = sample();
  costs.worlds[0].strategies[1].own = true;
  costs.worlds[0].strategies[0].measured =
      Measured{{{.step_seconds = 10, .peak_bytes = 4300, .sent_bytes = 1000}}, 5000};
  predict(costs);
  const std::string text = costs_text(costs);
  INFO(text);
  CHECK_THAT(text, Contains("* zero1") && Contains("7500.0") && Contains("-25.0 %") &&
                       Contains("more than the 2 cores here"));
  const auto json = nlohmann::json::parse(costs_json(costs));
  const auto& ddp = json["worlds"][0]["strategies"][0];
  CHECK(ddp["claims"]["optimizer"] == 2000);
  CHECK(ddp["predicted"]["objectives"][0]["step_seconds"] == Approx(7.5));
  CHECK(ddp["predicted"]["objectives"][0]["bytes"] == 4300);
  CHECK(ddp["measured"]["objectives"][0]["bytes"] == 4300);
  CHECK(json["worlds"][1]["oversubscribed"] == true);
  costs.problem = "no data";
  CHECK_THAT(costs_text(costs), Contains("not known: no data"));
  CHECK(nlohmann::json::parse(costs_json(costs))["worlds"].empty());
}
