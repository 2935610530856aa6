#include "sbert/in_batch_negatives.h"

#include <ATen/ops/cat.h>

#include <numeric>

#include "sbert/full_precision.h"
#include "sbert/score_cross_entropy.h"

namespace sbert {

trainhost::Loss InBatchNegatives::of(const Columns& columns,
                                     trainhost::Execution& execution) const {
  const FullPrecision precision;
  const bool gather = gather_ && execution.world() > 1;
  trainhost::Tensors parts;
  for (const at::Tensor& column : columns.embeddings) {
    parts.push_back(similarity_ == Similarity::kCosine ? normalised(column) : column);
    if (gather && parts.size() > 1) {
      parts.back() = execution.all_gather(parts.back(), columns.rows_of);
    }
  }
  const at::Tensor anchors = parts.front();
  parts.erase(parts.begin());
  const auto before = columns.rows_of.begin() + (gather ? execution.rank() : 0);
  const std::int64_t first = std::accumulate(columns.rows_of.begin(), before, std::int64_t{0});
  return {score_cross_entropy(anchors, at::cat(parts), scale_, first),
          static_cast<double>(columns.rows())};
}

}  // namespace sbert
