// Whether what a strategy claims is what it takes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/cli/cost_queries.h"
#include "host/conformance/bench.h"
#include "host/conformance/groups.h"

namespace trainhost::conformance {
namespace {

constexpr double kTolerance = 0.05;

bool is_near(double claimed, double measured) {
  return std::abs(claimed - measured) <= kTolerance * measured;
}

/// Of these sizes a flag or a norm that travels too is little.
const std::vector<std::string> kMedium{
    "model.vocabulary=512", "model.width=64",       "model.feed_forward=256",
    "model.layers=2",       "model.tokens=4",       "model.classes=2",
    "model.rows=48",        "model.adapter=always", "train.batch=12"};
/// And of these, all that is no parameter.
const std::vector<std::string> kLarge{
    "model.vocabulary=64", "model.width=320",      "model.heads=10", "model.feed_forward=1280",
    "model.layers=8",      "model.tokens=2",       "model.masked=0", "model.rows=200",
    "model.classes=2",     "model.adapter=always", "numerics=fast",  "scaling.batch=per_rank",
    "train.batch=2"};

std::string check_traffic(const Subject& subject) {
  std::vector<Variant> variants;
  for (const int world : worlds_above_one(subject)) {
    for (const char* word : {"numerics=fast", "numerics=exact", "train.accumulate=2"}) {
      Variant variant{.label = word, .world = world};
      variant.overrides = {word};
      variants.push_back(std::move(variant));
    }
  }
  Bench bench(subject, "transformer", kMedium);
  const auto runs = bench.run(variants);
  double worst = 0;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    require_done(subject, variants[v], runs[v]);
    for (const auto& step : runs[v].report.at("traffic")) {
      const double claimed = step.at("claimed").get<double>(), sent = step.at("sent").get<double>();
      if (!is_near(claimed, sent)) {
        fail(subject, variants[v],
             "a rank does not send in a step what claims() says (Claims::traffic, objective '" +
                 step.at("objective").get<std::string>() + "')",
             fmt::format("{:.0f} bytes as claimed, to 5 %", claimed),
             fmt::format("{:.0f} bytes", sent));
      }
      if (sent > 0) worst = std::max(worst, std::abs(claimed / sent - 1));
    }
  }
  return fmt::format("at most {:.1f} % off", 100 * worst);
}

std::string check_memory(const Subject& subject) {
  if (subject.info().ranks_are_threads) {
    throw CheckSkipped{"its ranks are threads of one process, whose memory is counted as a whole"};
  }
  const int world = worlds_above_one(subject).front();
  Bench bench(subject, "transformer", kLarge);
  const Variant variant{.label = "memory", .world = world};
  const recipe::Recipe recipe = bench.recipe(variant);
  cli::CostQueries queries(recipe, {world}, bench.catalog(), cli::CostQueries::Of::kRecipes);
  cli::Costs costs = queries.claims();
  if (!costs.problem.empty())
    fail(subject, variant, "claims() could not be asked: " + costs.problem);
  if (costs.worlds.empty()) throw CheckSkipped{"it does not run with several ranks"};
  queries.probe(costs, 1);
  queries.measure(costs, 1);
  cli::predict(costs);
  const cli::WorldCost& of_world = costs.worlds.front();
  const cli::StrategyCost& cost = of_world.strategies.front();
  if (!cost.claimed.problem.empty()) fail(subject, variant, cost.claimed.problem);
  const cli::Probed* probed = cli::probe_for(costs, world);
  const auto claimed = static_cast<double>(cli::predicted_bytes(of_world, cost, *probed, 0));
  const auto measured = static_cast<double>(cost.measured->objectives.front().peak_bytes);
  const std::string parts =
      fmt::format("{:.2f} MiB: claimed {:.2f}, and {:.2f} of activations", claimed / 1048576,
                  static_cast<double>(cost.claimed.sum) / 1048576,
                  (claimed - static_cast<double>(cost.claimed.sum)) / 1048576);
  if (!is_near(claimed, measured)) {
    fail(subject, variant, "a rank does not hold at most in a step what claims() says",
         parts + ", to 5 %", fmt::format("{:.2f} MiB", measured / 1048576));
  }
  return fmt::format("{:.1f} % off", 100 * std::abs(claimed / measured - 1));
}

}  // namespace

std::vector<Check> claims_checks(const Subject& subject) {
  const std::string base = base_of(subject);
  return {{"claims.traffic", "bytes sent in a step, as claimed", check_traffic, {base}},
          {"claims.memory", "bytes of a rank in a step, as claimed", check_memory, {base}}};
}

}  // namespace trainhost::conformance
