#include "sbert/grad_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

namespace sbert {
namespace {

using trainhost::Execution;
using trainhost::Tensors;

/// Where a rank's rows are cut.
class Cuts {
 public:
  Cuts(const CachedBatch& batch, int rank)
      : rows_(batch.rows_of[static_cast<std::size_t>(rank)]),
        count_(std::max<std::int64_t>(
            1, (std::ranges::max(batch.rows_of) + batch.mini_batch - 1) / batch.mini_batch)) {}

  std::int64_t count() const { return count_; }
  std::int64_t begin(std::int64_t i) const { return rows_ * i / count_; }
  std::int64_t end(std::int64_t i) const { return begin(i + 1); }

 private:
  const std::int64_t rows_, count_;
};

/// All mini-batches but the last, as leaves of a graph: by column.
Tensors leaves_of(const Cuts& cuts, const Embed& embed) {
  const at::NoGradGuard no_graph;
  std::vector<Tensors> columns;
  for (std::int64_t i = 0; i + 1 < cuts.count(); ++i) {
    Tensors part = embed(cuts.begin(i), cuts.end(i));
    columns.resize(part.size());
    for (std::size_t c = 0; c < part.size(); ++c) columns[c].push_back(std::move(part[c]));
  }
  Tensors leaves;
  for (const Tensors& column : columns) leaves.push_back(at::cat(column).set_requires_grad(true));
  return leaves;
}

/// Backward through mini-batch i from the embeddings' gradients.
void replay(const Cuts& cuts, std::int64_t i, const Embed& embed, const Tensors& leaves,
            Execution& execution, bool last) {
  Tensors outputs, gradients;
  const Tensors part = embed(cuts.begin(i), cuts.end(i));
  for (std::size_t c = 0; c < part.size(); ++c) {
    if (!part[c].requires_grad()) continue;  // a frozen encoder
    outputs.push_back(part[c]);
    gradients.push_back(leaves[c].grad().narrow(0, cuts.begin(i), cuts.end(i) - cuts.begin(i)));
  }
  execution.backward(outputs, gradients, last);
}

}  // namespace

trainhost::Loss cached_loss(const LossFunction& loss, const CachedBatch& batch, const Embed& embed,
                            Execution& execution) {
  const Cuts cuts(batch, execution.rank());
  const std::int64_t kept = cuts.count() - 1;
  const Tensors leaves = leaves_of(cuts, embed);
  trainhost::Loss whole;
  {
    Columns columns{embed(cuts.begin(kept), cuts.end(kept)), batch.labels, batch.rows_of};
    for (std::size_t c = 0; c < leaves.size(); ++c) {
      columns.embeddings[c] = at::cat({leaves[c], columns.embeddings[c]});
    }
    whole = loss.of(columns, execution);
  }
  execution.backward(whole.sum.requires_grad() ? Tensors{whole.sum} : Tensors{}, {}, kept == 0);
  whole.sum = whole.sum.detach();
  for (std::int64_t i = 0; i < kept; ++i) {
    replay(cuts, i, embed, leaves, execution, i + 1 == kept);
  }
  return whole;
}

}  // namespace sbert
