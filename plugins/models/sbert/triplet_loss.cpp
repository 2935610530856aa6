#include "sbert/triplet_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>

#include "sbert/full_precision.h"

namespace sbert {

trainhost::Loss TripletLoss::of(const Columns& columns, trainhost::Execution&) const {
  const FullPrecision precision;
  const auto& [anchor, positive, negative] =
      std::tie(columns.embeddings[0], columns.embeddings[1], columns.embeddings[2]);
  const at::Tensor nearer = pair_similarity(distance_, anchor, positive);
  const at::Tensor farther = pair_similarity(distance_, anchor, negative);
  // A distance is a constant minus the similarity, and the constants cancel.
  return {at::relu(farther - nearer + margin_).sum(), static_cast<double>(columns.rows())};
}

}  // namespace sbert
