#include "host/cli/costs.h"

#include <algorithm>

namespace trainhost::cli {
namespace {

/// The share of the whole update that a rank makes: it updates what it keeps the states of.
double share_of_update(const WorldCost& world, const StrategyCost& cost, const Costs& costs) {
  const auto kept = [](const Claimed& claimed) {
    return static_cast<double>(claimed.optimizer + claimed.host);
  };
  double whole = 0;
  for (const WorldCost& any : costs.worlds) {
    for (const StrategyCost& other : any.strategies) whole = std::max(whole, kept(other.claimed));
  }
  // Without states (SGD without momentum) nothing tells a shard from the whole.
  if (whole == 0) return cost.strategy.starts_with("zero") ? 1.0 / double(world.ranks) : 1.0;
  return std::min(1.0, kept(cost.claimed) / whole);
}

Predicted predicted(const WorldCost& world, const StrategyCost& cost, const Costs& costs,
                    const Probed& probed) {
  const double turns =
      std::max(1.0, static_cast<double>(world.ranks) / static_cast<double>(probed.ranks));
  const double share = share_of_update(world, cost, costs);
  Predicted out;
  for (std::size_t o = 0; o < probed.objectives.size(); ++o) {
    const Probed::Objective& of = probed.objectives[o];
    const auto rows = static_cast<double>(world.rows[o]);
    out.activations = std::max(out.activations, static_cast<std::int64_t>(of.activations.at(rows)));
    Predicted::Objective& objective = out.objectives.emplace_back();
    objective.compute_seconds =
        turns * of.compute.at(rows) * static_cast<double>(world.micro_batches);
    objective.update_seconds = turns * of.update_seconds * share;
    if (probed.bytes_per_second > 0) {
      objective.collective_seconds =
          turns * static_cast<double>(cost.claimed.traffic[o]) / probed.bytes_per_second;
    }
  }
  return out;
}

std::optional<bool> fits(const WorldCost& world, const StrategyCost& cost, const Costs& costs,
                         const Probed* probed) {
  const std::int64_t activations = cost.predicted ? cost.predicted->activations : 0;
  const std::int64_t device = cost.claimed.sum + activations;
  if (costs.device != "cpu") {
    if (costs.device_bytes < 0) return std::nullopt;
    return device <= costs.device_bytes;
  }
  const std::int64_t free = probed != nullptr ? probed->free_bytes : costs.device_bytes;
  if (free < 0) return std::nullopt;
  const std::int64_t base = probed != nullptr ? probed->base_bytes : 0;
  const std::int64_t processes = cost.threads ? 1 : world.ranks;
  return world.ranks * (device + cost.claimed.host) + processes * base <= free;
}

}  // namespace

Line line_through(double rows0, double value0, double rows1, double value1) {
  if (rows1 <= rows0 || value1 <= value0) return {std::max(value0, value1), 0};
  Line line;
  line.b = (value1 - value0) / (rows1 - rows0);
  line.a = value1 - line.b * rows1;
  if (line.a < 0) return {0, value1 / rows1};
  return line;
}

const Probed* probe_for(const Costs& costs, std::int64_t ranks) {
  auto found = costs.probed.upper_bound(ranks);
  if (found == costs.probed.begin()) return nullptr;
  return &(--found)->second;
}

std::int64_t predicted_bytes(const WorldCost& world, const StrategyCost& cost, const Probed& probed,
                             std::size_t objective) {
  const double rows = static_cast<double>(world.rows[objective]);
  return cost.claimed.sum +
         static_cast<std::int64_t>(probed.objectives[objective].activations.at(rows));
}

void predict(Costs& costs) {
  for (WorldCost& world : costs.worlds) {
    const Probed* probed = probe_for(costs, world.ranks);
    for (StrategyCost& cost : world.strategies) {
      if (!cost.claimed.problem.empty()) continue;
      if (probed != nullptr) cost.predicted = predicted(world, cost, costs, *probed);
      cost.fits = fits(world, cost, costs, probed);
    }
  }
}

}  // namespace trainhost::cli
