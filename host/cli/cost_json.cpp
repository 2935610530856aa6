#include <nlohmann/json.hpp>

#include "host/cli/cost_report.h"

namespace trainhost::cli {
namespace {

using Json = nlohmann::ordered_json;

Json claimed_json(const Claimed& claimed) {
  if (!claimed.problem.empty()) return {{"problem", claimed.problem}};
  return {{"parameters", claimed.parameters},
          {"buffers", claimed.buffers},
          {"gradients", claimed.gradients},
          {"optimizer", claimed.optimizer},
          {"transient", claimed.transient},
          {"padding", claimed.padding},
          {"host", claimed.host},
          {"sum", claimed.sum},
          {"traffic", claimed.traffic}};
}

Json predicted_json(const Costs& costs, const WorldCost& world, const StrategyCost& cost) {
  Json out{{"activations", cost.predicted->activations}, {"objectives", Json::array()}};
  const Probed& probed = *probe_for(costs, world.ranks);
  for (std::size_t o = 0; o < cost.predicted->objectives.size(); ++o) {
    const Predicted::Objective& of = cost.predicted->objectives[o];
    out["objectives"].push_back({{"objective", costs.objectives[o]},
                                 {"bytes", predicted_bytes(world, cost, probed, o)},
                                 {"step_seconds", of.step_seconds()},
                                 {"compute_seconds", of.compute_seconds},
                                 {"update_seconds", of.update_seconds},
                                 {"collective_seconds", of.collective_seconds}});
  }
  return out;
}

Json measured_json(const Costs& costs, const Measured& measured) {
  Json out{{"pss", measured.pss_bytes}, {"objectives", Json::array()}};
  for (std::size_t o = 0; o < measured.objectives.size(); ++o) {
    const Measured::Objective& of = measured.objectives[o];
    out["objectives"].push_back({{"objective", costs.objectives[o]},
                                 {"bytes", of.peak_bytes},
                                 {"sent_bytes", of.sent_bytes},
                                 {"step_seconds", of.step_seconds}});
  }
  return out;
}

Json line_json(const Line& line) { return {{"a", line.a}, {"b", line.b}}; }

Json probed_json(const Costs& costs, const Probed& probed) {
  Json out{{"ranks", probed.ranks},
           {"bytes_per_second", probed.bytes_per_second},
           {"base_bytes", probed.base_bytes},
           {"free_bytes", probed.free_bytes},
           {"objectives", Json::array()}};
  for (std::size_t o = 0; o < probed.objectives.size(); ++o) {
    const Probed::Objective& of = probed.objectives[o];
    out["objectives"].push_back({{"objective", costs.objectives[o]},
                                 {"activations", line_json(of.activations)},
                                 {"compute_seconds", line_json(of.compute)},
                                 {"update_seconds", of.update_seconds}});
  }
  return out;
}

}  // namespace

std::string costs_json(const Costs& costs) {
  Json out;
  if (!costs.problem.empty()) out["problem"] = costs.problem;
  out["parameters"] = costs.parameters;
  out["allocated_bytes"] = costs.allocated_bytes;
  out["objectives"] = costs.objectives;
  out["device"] = costs.device;
  out["cores"] = costs.cores;
  out["worlds"] = Json::array();
  for (const WorldCost& world : costs.worlds) {
    if (!costs.problem.empty()) break;
    Json& json = out["worlds"].emplace_back();
    json["ranks"] = world.ranks;
    json["micro_batches"] = world.micro_batches;
    json["rows"] = world.rows;
    json["oversubscribed"] = costs.device == "cpu" && world.ranks > costs.cores;
    for (const StrategyCost& cost : world.strategies) {
      Json& strategy = json["strategies"].emplace_back();
      strategy["strategy"] = cost.strategy;
      strategy["own"] = cost.own;
      strategy["claims"] = claimed_json(cost.claimed);
      if (cost.predicted) strategy["predicted"] = predicted_json(costs, world, cost);
      if (cost.measured) strategy["measured"] = measured_json(costs, *cost.measured);
      if (cost.fits) strategy["fits"] = *cost.fits;
    }
  }
  out["probed"] = Json::array();
  for (const auto& [ranks, probed] : costs.probed) {
    out["probed"].push_back(probed_json(costs, probed));
  }
  return out.dump();
}

}  // namespace trainhost::cli
