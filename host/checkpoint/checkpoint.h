// Checkpoints of logical tensors: independent of the number of ranks and of the strategy.
//
// Purpose: every rank writes the slices it holds; the manifest says where each slice lies in its
// logical tensor. Loading fills whatever slices the loading strategy has from the pieces found.
// Format: FOLDER/manifest.json, FOLDER/rank-R.safetensors. Written aside as FOLDER.partial,
// fsynced, renamed: a folder that has its name is complete. Memory: one tensor beyond the state,
// and that only where a tensor is not contiguous in the CPU's memory. Threads and ranks: save is
// [collective]; a rank that fails leaves the others to the abort word. Errors: a damaged, truncated
// or mixed checkpoint is Error (Failure::kUser) with the file's name and the last good checkpoint;
// a full disk is Error (Failure::kRun), and what was saved before stays.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/checkpoint/position.h"
#include "trainhost/strategy.h"

namespace trainhost::checkpoint {

/// Called between phases of a save so that no rank renames what another still writes. [collective]
using Barrier = std::function<void()>;

/// Writes FOLDER, in place of what may be there. A state that is not whole over all ranks is Error
/// (Failure::kPlugin): the strategy's fault.  [collective]
void save(const std::string& folder, std::vector<StateSlice> state, const Position& position,
          const Identity& identity, int rank, int world, const Barrier& barrier);

struct Loaded {
  Position position;
  Identity identity;
};

/// Fills `state` (StrategySession::state(true)).  [any rank]
Loaded load(const std::string& folder, std::vector<StateSlice>& state, const Identity& expected);

}  // namespace trainhost::checkpoint
