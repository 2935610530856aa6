#include "sbert/pair_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logcumsumexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sort.h>

#include <limits>

#include "sbert/full_precision.h"

namespace sbert {
namespace {

at::Tensor cosines(const Columns& columns) {
  return pair_similarity(Similarity::kCosine, columns.embeddings[0], columns.embeddings[1]);
}

/// For each row i in the order of the labels, the log of Σ exp(−s_j) over the rows of higher labels
/// comes from the sums over all rows from j on: no table of pairs is made.
at::Tensor cosent(const at::Tensor& scores, const at::Tensor& labels) {
  const auto [ordered, order] = at::sort(labels, true, 0, false);
  const at::Tensor sorted = scores.index_select(0, order);
  const at::Tensor from_here = at::logcumsumexp((-sorted).flip(0), 0).flip(0);
  const at::Tensor none = at::full({1}, -std::numeric_limits<double>::infinity(), scores.options());
  const at::Tensor next_higher = at::searchsorted(ordered, ordered, false, true);
  const at::Tensor pairs = sorted + at::cat({from_here, none}).index_select(0, next_higher);
  return at::logsumexp(at::cat({at::full({1}, 0, scores.options()), pairs}), {0});
}

}  // namespace

trainhost::Loss CosineLoss::of(const Columns& columns, trainhost::Execution&) const {
  const FullPrecision precision;
  const at::Tensor cosine = cosines(columns);
  const at::Tensor error = cosine - columns.labels.to(cosine.scalar_type());
  return {(error * error).sum(), static_cast<double>(columns.rows())};
}

trainhost::Loss CosentLoss::of(const Columns& columns, trainhost::Execution& execution) const {
  const FullPrecision precision;
  at::Tensor scores = cosines(columns) * scale_;
  at::Tensor labels = columns.labels.to(scores.scalar_type());
  if (execution.world() > 1) {
    scores = execution.all_gather(scores, columns.rows_of);
    labels = execution.all_gather(labels, columns.rows_of);
  }
  const auto rows = static_cast<double>(columns.rows());
  return {cosent(scores, labels) * rows, rows};
}

}  // namespace sbert
