// cost_queries: asks models, strategies and this machine for the figures of Costs.
//
// Purpose: starts the rank processes that know them. Owner: borrows recipe and catalog. Threads:
// the parent's only thread.
#pragma once

#include <cstdint>
#include <vector>

#include "host/cli/costs.h"
#include "host/cli/prepared_run.h"

namespace trainhost::cli {

class CostQueries {
 public:
  /// All strategies that there are, or the recipe's own alone.
  enum class Of { kAll, kRecipes };
  CostQueries(const recipe::Recipe& recipe, const std::vector<std::int64_t>& worlds,
              plugins::Catalog& catalog, Of of = Of::kAll);

  /// The claims of each strategy for each world that the recipe can be resolved for. A model that
  /// cannot be asked (no data, no LibTorch) leaves `problem`.
  Costs claims();
  /// Adds what unconnected ranks show, for each world up to the cores. Throws Error.
  void probe(Costs& costs, std::int64_t steps);
  /// Adds what a few steps of each strategy show, for each world. Throws Error.
  void measure(Costs& costs, std::int64_t steps);

 private:
  struct Candidate {
    recipe::PluginChoice choice;
    bool own = false, threads = false;
    std::int64_t virtual_ranks = 1;  ///< on one device, all it works with; 0: any number of devices
  };
  Candidate candidate(const recipe::PluginChoice& choice, bool own) const;
  std::vector<Candidate> candidates() const;
  recipe::RunPlan plan_of(const Candidate& candidate, std::int64_t ranks) const;
  PreparedRun prepared(const Candidate& candidate, std::int64_t ranks) const;
  Probed probe_world(std::int64_t ranks, std::int64_t steps) const;
  Measured measure_strategy(const Candidate& candidate, std::int64_t ranks,
                            std::int64_t steps) const;
  void require_cpu(const char* option) const;

  const recipe::Recipe& recipe_;
  const std::vector<std::int64_t> worlds_;
  plugins::Catalog& catalog_;
  const Of of_;
  const std::vector<Candidate> candidates_;
  std::string device_ = "cpu";
  std::int64_t device_bytes_ = -1;
};

}  // namespace trainhost::cli
