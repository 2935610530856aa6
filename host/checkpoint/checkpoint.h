// Checkpoints of logical tensors: independent of the number of ranks and of the strategy.
//
// Purpose: every rank writes the slices it holds; the manifest says where each slice lies in its
// logical tensor. Loading fills whatever slices the loading strategy has from the pieces found.
// Format: FOLDER/manifest.json, FOLDER/rank-R.safetensors. Written aside as FOLDER.partial,
// fsynced, renamed: a folder that has its name is complete. Threads and ranks: save and load are
// [collective]. Errors: a damaged, truncated or mixed checkpoint is Error (Failure::kUser) with the
// file's name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "trainhost/strategy.h"

namespace trainhost::checkpoint {

/// Where a run stands: all that is not in tensors. The meaning is the trainer's.
struct Position {
  std::int64_t epoch = 0;                  ///< the epoch to go on with
  std::int64_t objective = 0;              ///< its objective
  std::int64_t step = 0;                   ///< and the next optimizer step of that objective
  std::vector<std::int64_t> global_steps;  ///< for each objective
  // Early stopping and the best evaluation so far.
  bool has_best = false;
  double best = 0;
  std::int64_t best_epoch = -1;
  std::int64_t evaluations_without_better = 0;
  std::map<std::string, double> best_metrics, last_metrics, baseline_metrics;
};

/// What the loading run must agree with, and what is told when it does not.
struct Identity {
  std::string model;     ///< plugin id
  std::string strategy;  ///< informative: any strategy may load
  int world = 1;         ///< informative: any world may load
  std::int64_t seed = 0;
};

/// Called between phases of a save so that no rank renames what another still writes. [collective]
using Barrier = std::function<void()>;

/// Writes FOLDER (must not exist; rank 0 makes it).  [collective]
void save(const std::string& folder, std::vector<StateSlice> state, const Position& position,
          const Identity& identity, int rank, int world, const Barrier& barrier);

struct Loaded {
  Position position;
  Identity identity;
};

/// Fills `state` (StrategySession::state(true)).  [any rank]
Loaded load(const std::string& folder, std::vector<StateSlice>& state, const Identity& expected);

/// Removes all but the newest `keep` of FOLDER/step-N.
void remove_old(const std::string& checkpoints_folder, std::int64_t keep);

}  // namespace trainhost::checkpoint
