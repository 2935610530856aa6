// SoftmaxLoss (softmax_nli): a classifier over pairs, which trains with the encoder and is not
// saved with it.
#pragma once

#include <cstdint>

#include "sbert/losses.h"
#include "trainhost/unit.h"

namespace sbert {

/// The classifier's unit "classifier": weight [classes, 3 · dimension] and bias [classes], uniform
/// within ±1 / sqrt(3 · dimension) as torch.nn.Linear has them.
trainhost::UnitSpec classifier_unit(std::int64_t dimension, std::int64_t classes,
                                    std::uint64_t seed);

/// Σ −log softmax(W (u, v, |u − v|) + b)[label] (Reimers and Gurevych, "Sentence-BERT", 2019,
/// section 3.1).
class SoftmaxLoss : public LossFunction {
 public:
  /// `unit`: the number of classifier_unit in ModelSpec::units.
  explicit SoftmaxLoss(int unit) : unit_(unit) {}
  trainhost::Loss of(const Columns& columns, trainhost::Execution& execution) const override;

 private:
  const int unit_;
};

}  // namespace sbert
