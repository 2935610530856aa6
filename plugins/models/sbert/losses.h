// Losses: what the recipe calls mnrl, cached_mnrl, cosine, cosent, softmax_nli and triplet, each
// also over shortened embeddings (matryoshka).
//
// Each equals the loss of that name of sentence-transformers (reference values: tests/models/sbert/
// golden/make_losses.py) on the rows of all ranks: Loss::sum and Loss::weight are such that
// Σ sum / Σ weight over ranks is that package's mean, whatever the number of ranks, with uneven
// rows and with none. Gradients agree too; where that package's is not a number (the distance of
// equal embeddings) it is 0.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "sbert/loss_settings.h"
#include "trainhost/execution.h"
#include "trainhost/model.h"

namespace sbert {

/// The embeddings of a micro-batch.
struct Columns {
  std::vector<at::Tensor> embeddings;  ///< anchor, positive, negatives …: [n, d] each, this rank's
                                       ///< rows (n may be 0); fp32 or fp64
  at::Tensor labels;                  ///< fp32 or i64 [n]; undefined where the set has none
  std::vector<std::int64_t> rows_of;  ///< rows of each rank, in rank order

  std::int64_t rows() const { return embeddings[0].size(0); }
};

/// Purpose: the loss of embeddings. Owner: a model's rank; it may be shared, for it is immutable.
/// Threads and ranks: the rank's thread, [collective].
class LossFunction {
 public:
  virtual ~LossFunction() = default;
  virtual trainhost::Loss of(const Columns& columns,
                             trainhost::Execution& execution) const = 0;  // [collective]
};

/// `head_unit`: the number of softmax_nli's unit in ModelSpec::units (softmax_loss.h); the others
/// have none.
std::unique_ptr<LossFunction> make_loss(const LossSettings& settings, int head_unit = -1);

}  // namespace sbert
