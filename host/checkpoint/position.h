// Where a run stands and which run it is: what a checkpoint keeps besides tensors.
//
// Threads and ranks: values, equal on all ranks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/checkpoint/loss_scale.h"

namespace trainhost::checkpoint {

/// All that is not in tensors. The meaning is the trainer's.
struct Position {
  std::int64_t epoch = 0;                  ///< the epoch to go on with
  std::int64_t objective = 0;              ///< its objective
  std::int64_t step = 0;                   ///< and the next optimizer step of that objective
  std::vector<std::int64_t> global_steps;  ///< for each objective
  /// For each objective, the rows of a step: what `step` counts in.
  std::vector<std::int64_t> effective_batches;
  std::vector<LossScale> loss_scales;  ///< for each objective; none without loss scaling
  // Early stopping and the best evaluation so far.
  bool has_best = false;
  double best = 0;
  std::int64_t best_epoch = -1;
  std::int64_t best_step = -1;      ///< over all objectives: that of the model in best/
  std::int64_t evaluated_step = 0;  ///< that of the last evaluation
  std::int64_t evaluations_without_better = 0;
  std::map<std::string, double> best_metrics, last_metrics, baseline_metrics;

  /// Optimizer steps over all objectives.
  std::int64_t total_steps() const {
    std::int64_t sum = 0;
    for (const std::int64_t steps : global_steps) sum += steps;
    return sum;
  }
};

/// What the loading run must agree with, and what is told when it does not.
struct Identity {
  std::string model;     ///< plugin id
  std::string strategy;  ///< informative: any strategy may load
  int world = 1;         ///< informative: any world may load
  std::int64_t seed = 0;
};

}  // namespace trainhost::checkpoint
