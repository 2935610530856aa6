// DataOrder: which rows each micro-batch of a rank is.
//
// Purpose: an objective takes its optimizer steps 0, 1, …; each is cut into micro-batches, of which
// every rank has its part. Where only a few steps are to be taken, the last of them is the epoch's
// last, which is often uneven. Owner: the trainer. Threads and ranks: `next` is called under the
// prefetcher's lock; the rest on the rank's thread. The same on all ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/checkpoint/checkpoint.h"
#include "host/train/prefetcher.h"
#include "trainhost/batch.h"

namespace trainhost::train {

class DataOrder {
 public:
  struct Objective {
    BatchSource* source;
    std::int64_t effective_batch;  ///< rows of a step
    std::int64_t micro_batch;      ///< rows of a rank in a micro-batch
    std::int64_t micro_batches;    ///< of a step
  };
  struct Place {
    int rank, world;
  };

  /// `few_steps`: of each objective; 0: all there are.
  DataOrder(Place place, std::int64_t epochs, std::int64_t few_steps)
      : place_(place), epochs_(epochs), few_steps_(few_steps) {}

  void add(const Objective& objective) { objectives_.push_back(objective); }
  const Objective& objective(std::int64_t index) const { return objectives_[index]; }
  std::int64_t steps(std::int64_t objective, std::int64_t epoch) const;
  /// Halves the micro-batch and doubles their number: the same rows make up a step. False where a
  /// micro-batch has one row. Nothing may be loading.
  bool halve(std::int64_t objective);

  /// What comes next is the first micro-batch of this step.
  void start(const checkpoint::Position& position);
  std::optional<LoadRequest> next();
  /// Micro-batch `index` of the step at which `position` stands, without any rows for this rank.
  LoadRequest without_rows(const checkpoint::Position& position, std::int64_t index) const;

 private:
  LoadRequest request(const checkpoint::Position& position, std::int64_t index) const;

  const Place place_;
  const std::int64_t epochs_, few_steps_;
  std::vector<Objective> objectives_;
  checkpoint::Position loading_;
  std::int64_t micro_batch_ = 0;
};

}  // namespace trainhost::train
