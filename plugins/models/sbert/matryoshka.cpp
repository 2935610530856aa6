#include "sbert/matryoshka.h"

#include <ATen/TensorOperators.h>

#include "sbert/full_precision.h"

namespace sbert {

trainhost::Loss Matryoshka::of(const Columns& columns, trainhost::Execution& execution) const {
  const FullPrecision precision;
  trainhost::Loss total;
  for (std::size_t i = 0; i < dims_.size(); ++i) {
    Columns cut{{}, columns.labels, columns.rows_of};
    for (const at::Tensor& column : columns.embeddings) {
      cut.embeddings.push_back(normalised(column.narrow(1, 0, dims_[i])));
    }
    const trainhost::Loss one = inner_->of(cut, execution);
    const at::Tensor weighted = one.sum * weights_[i];
    total = {i == 0 ? weighted : total.sum + weighted, one.weight};
  }
  return total;
}

}  // namespace sbert
