// launch: starts the ranks of this machine and stays with them until they have ended.
//
// Purpose: from a placed and resolved plan to processes: control page, pipes, rendezvous socket,
// environment. Threads and ranks: the parent's only thread; it must have no other, since it forks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/launch/foreign.h"
#include "host/launch/rank_environment.h"
#include "host/launch/supervise.h"

namespace trainhost::launch {

struct LaunchOptions {
  std::string rank_program;               ///< absolute path of trainhost-rank
  std::vector<std::string> library_path;  ///< folders put before LD_LIBRARY_PATH
  std::string plan_file;
  std::string run_directory;  ///< absolute; "" in a foreign rank other than 0
  std::string resume;         ///< checkpoint folder, or ""
  std::string job = "train";  ///< see RankEnvironment
  std::string job_file;
  /// Device indices by rank process: one each, or all of them in one process where the strategy's
  /// ranks are threads.
  std::vector<std::vector<int>> devices = {{0}};
  /// This process is one rank of somebody else's launch: just that one is started.
  std::optional<ForeignPlacement> foreign;
  SupervisionLimits limits;
};

Ending launch(const LaunchOptions& options, Audience& audience);

}  // namespace trainhost::launch
