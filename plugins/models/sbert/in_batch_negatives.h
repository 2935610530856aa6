// InBatchNegatives (mnrl): the others' positives are an anchor's negatives.
//
// Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply", 2017, section
// 4.4: the cross entropy of scale · similarity(anchor, candidate), candidates being all positives,
// then all first negatives, and so on. With `gather` they are those of all ranks: each column
// travels by itself, so that the order is that of one process, and the gradient goes back with it.
#pragma once

#include "sbert/losses.h"

namespace sbert {

class InBatchNegatives : public LossFunction {
 public:
  /// `similarity`: cosine or dot.
  InBatchNegatives(Similarity similarity, double scale, bool gather)
      : similarity_(similarity), scale_(scale), gather_(gather) {}

  trainhost::Loss of(const Columns& columns, trainhost::Execution& execution) const override;

 private:
  const Similarity similarity_;
  const double scale_;
  const bool gather_;
};

}  // namespace sbert
