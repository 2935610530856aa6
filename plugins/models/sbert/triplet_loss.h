// TripletLoss: the positive is nearer than the negative, by a margin.
#pragma once

#include "sbert/losses.h"

namespace sbert {

/// Σ max(d(a, p) − d(a, n) + margin, 0) (Reimers and Gurevych, "Sentence-BERT", 2019, section 3);
/// `distance`: euclidean, manhattan, or cosine, which is 1 − cos.
class TripletLoss : public LossFunction {
 public:
  TripletLoss(Similarity distance, double margin) : distance_(distance), margin_(margin) {}
  trainhost::Loss of(const Columns& columns, trainhost::Execution& execution) const override;

 private:
  const Similarity distance_;
  const double margin_;
};

}  // namespace sbert
