// CosineLoss and CosentLoss: losses of pairs with a score.
#pragma once

#include "sbert/losses.h"

namespace sbert {

/// Σ (cos(u, v) − score)² (Reimers and Gurevych, "Sentence-BERT", 2019, section 3).
class CosineLoss : public LossFunction {
 public:
  trainhost::Loss of(const Columns& columns, trainhost::Execution& execution) const override;
};

/// log(1 + Σ exp(scale · (s_i − s_j))) over all pairs of rows with score_i < score_j, s being the
/// cosines (Huang et al., "CoSENT: Consistent Sentence Embedding via Similarity Ranking", 2024,
/// equation 8). It is no sum over rows: the rows of all ranks are looked at together, and each rank
/// returns its rows' share of the value. Time and memory of n rows grow with n log n.
class CosentLoss : public LossFunction {
 public:
  explicit CosentLoss(double scale) : scale_(scale) {}
  trainhost::Loss of(const Columns& columns, trainhost::Execution& execution) const override;

 private:
  const double scale_;
};

}  // namespace sbert
