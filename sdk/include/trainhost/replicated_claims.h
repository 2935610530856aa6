// What a strategy that replicates everything claims: the memory of a Replica (replica.h).
//
// Purpose: the bytes; a strategy adds its traffic. Threads and ranks: a pure function.
#pragma once

#include <set>

#include "trainhost/flat_layout.h"
#include "trainhost/strategy.h"

namespace trainhost {

/// Parameters, gradients and one set of states for each objective that reaches a unit; no traffic.
inline Claims replicated_claims(const ModelSpec& model,
                                const std::vector<ObjectiveSpec>& objectives,
                                const Optimizer& optimizer) {
  Claims claims;
  const auto states = static_cast<std::int64_t>(optimizer.states().size());
  for (std::size_t u = 0; u < model.units.size(); ++u) {
    const FlatLayout layout = flat_layout(model.units[u]);
    claims.parameters += layout.bytes;
    claims.gradients += layout.bytes;
    claims.padding += 2 * layout.padding;
    for (const ObjectiveSpec& objective : objectives) {
      const std::set<int> used(objective.units.begin(), objective.units.end());
      if (used.count(static_cast<int>(u)) == 0) continue;
      for (const ParameterSpec& parameter : model.units[u].parameters) {
        claims.optimizer += states * 4 * element_count(parameter.shape);
      }
    }
  }
  claims.traffic.assign(objectives.size(), 0);
  return claims;
}

}  // namespace trainhost
