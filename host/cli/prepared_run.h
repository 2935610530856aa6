// PreparedRun: a run that is decided in everything, before its first process is started.
//
// Owner: the run and resume commands. Threads: the parent's only thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/launch/foreign.h"
#include "host/launch/libtorch.h"
#include "host/launch/opening.h"
#include "host/launch/placement.h"
#include "host/plugins/catalog.h"
#include "host/recipe/plan.h"
#include "host/recipe/recipe.h"

namespace trainhost::cli {

struct PreparedRun {
  recipe::RunPlan plan;
  launch::Placement placement;
  launch::LibTorch libtorch;
  std::optional<launch::ForeignPlacement> foreign;
  bool ranks_are_threads = false;
  std::string resume;      ///< checkpoint folder, or ""
  std::string batch_note;  ///< how train.batch = "auto" became a number, or ""
};

/// What the recipe layer asks of the catalog.
recipe::PluginLookup plugin_lookup(plugins::Catalog& catalog);

/// What placement asks of it. `libtorch`: its folder, or "".
launch::Prober device_prober(plugins::Catalog& catalog, const std::string& libtorch);

/// What was tried before and did not open.
using FailedAttempts = std::vector<launch::FailedAttempt>;

/// Places the devices of `base`; leaves the plan to `finish_plan`.
PreparedRun place_run(const recipe::RunPlan& base, plugins::Catalog& catalog,
                      const FailedAttempts& failed = {});

/// This run as an attempt whose devices did not open.
launch::FailedAttempt failed_attempt(const PreparedRun& run, const launch::FailedOpening& opening);

/// The world that the placement gives.
recipe::World world_of(const PreparedRun& run);

/// Device indices by rank process, as LaunchOptions::devices wants them.
std::vector<std::vector<int>> rank_devices(const PreparedRun& run);

/// Takes the plan of that world, and puts the placement's results into it.
void finish_plan(PreparedRun& run, recipe::RunPlan plan, plugins::Catalog& catalog);

}  // namespace trainhost::cli
