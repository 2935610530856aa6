// SbertRank: one rank's losses and evaluations.
#include "sbert/rank.h"

#include <c10/core/GradMode.h>

#include <algorithm>

#include "sbert/batches.h"
#include "sbert/binary_classification.h"
#include "sbert/embedding_similarity.h"
#include "sbert/grad_cache.h"
#include "sbert/losses.h"
#include "sbert/model.h"
#include "sbert/retrieval.h"
#include "sbert/triplet_accuracy.h"

namespace sbert {
namespace {

using trainhost::Batch;
using trainhost::Evaluation;
using trainhost::Execution;
using trainhost::Loss;
using trainhost::Tensors;

/// Embeddings of an evaluation set's texts, by row and column.
TextList texts_of(const TrainingSet& set) {
  const std::int64_t columns = set.columns();
  return {set.rows() * columns,
          [&set, columns](std::int64_t i) { return set.tokens(i / columns, i % columns); }};
}

class Rank : public SbertRank {
 public:
  explicit Rank(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)), embedder_(*shared_->encoder, shared_->directory) {
    for (const LossSettings& settings : shared_->settings.losses) {
      losses_.push_back(make_loss(settings, shared_->classifier_unit));
      mini_batches_.push_back(settings.mini_batch);
    }
  }

  std::unique_ptr<trainhost::BatchSource> batches(int) override { return make_batches(shared_); }
  Loss loss(int objective, const Batch& batch, Execution& execution) override;
  bool split_work(int objective) override;
  Evaluation evaluate(Execution& execution) override;
  const Embedder& embedder() const override { return embedder_; }

 private:
  Tensors embed_rows(const Batch& batch, std::int64_t begin, std::int64_t end,
                     Execution& execution) const;
  EvaluatorResult measure(const EvaluationSet& set, Execution& execution) const;
  EvaluatorResult retrieve(const EvaluationSet& set, Execution& execution) const;

  const std::shared_ptr<const Shared> shared_;
  const Embedder embedder_;
  std::vector<std::unique_ptr<LossFunction>> losses_;  // of each set
  std::vector<std::int64_t> mini_batches_;             // of each set; 0: all rows at once
  // Of the last micro-batch, the same on all ranks.
  std::size_t last_set_ = 0;
  std::int64_t last_rows_ = 0;  // of the rank that has most
};

/// By column: [end - begin, dimension] each.
Tensors Rank::embed_rows(const Batch& batch, std::int64_t begin, std::int64_t end,
                         Execution& execution) const {
  const auto& texts = *static_cast<const BatchTexts*>(batch.extra.get());
  const at::Tensor all =
      embedder_.encode(packed_rows(batch, begin, end),
                       static_cast<std::uint32_t>(batch.slice.global_step), execution);
  const at::Tensor by_row = all.view({end - begin, texts.columns, all.size(1)});
  Tensors out;
  for (std::int64_t column = 0; column < texts.columns; ++column) {
    out.push_back(by_row.select(1, column));
  }
  return out;
}

Loss Rank::loss(int, const Batch& batch, Execution& execution) {
  const auto& texts = *static_cast<const BatchTexts*>(batch.extra.get());
  const auto set = static_cast<std::size_t>(texts.set);
  const at::Tensor labels = batch.tensors.size() > kLabels ? batch.tensors[kLabels] : at::Tensor();
  const std::int64_t mini_batch = mini_batches_[set];
  last_set_ = set;
  last_rows_ = std::ranges::max(batch.slice.rows_of);
  if (mini_batch > 0) {
    return cached_loss(
        *losses_[set], {labels, batch.slice.rows_of, mini_batch},
        [&](std::int64_t begin, std::int64_t end) {
          return embed_rows(batch, begin, end, execution);
        },
        execution);
  }
  return losses_[set]->of(
      {embed_rows(batch, 0, batch.rows(), execution), labels, batch.slice.rows_of}, execution);
}

bool Rank::split_work(int) {
  std::int64_t& mini_batch = mini_batches_[last_set_];
  const std::int64_t most = mini_batch == 0 ? last_rows_ : std::min(mini_batch, last_rows_);
  if (most < 2) return false;
  mini_batch = (most + 1) / 2;
  return true;
}

EvaluatorResult Rank::retrieve(const EvaluationSet& set, Execution& execution) const {
  RetrievalSettings settings;
  static_cast<EvaluatorSettings&>(settings) = set.settings.evaluator;
  const at::Tensor queries = embedder_.embed(texts_of(set.texts), execution);
  const at::Tensor corpus = embedder_.embed(texts_of(set.corpus), execution);
  const std::int64_t first = queries.size(0) * execution.rank() / execution.world();
  const std::int64_t last = queries.size(0) * (execution.rank() + 1) / execution.world();
  Retrieval retrieval(settings, queries.narrow(0, first, last - first));
  retrieval.add(corpus, 0);
  std::vector<double> sums = retrieval.sums(
      std::span(set.relevant)
          .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first)));
  execution.sum_over_ranks(sums);
  return information_retrieval(settings, sums);
}

EvaluatorResult Rank::measure(const EvaluationSet& set, Execution& execution) const {
  if (set.settings.kind == EvaluationKind::kRetrieval) return retrieve(set, execution);
  const EvaluatorSettings& settings = set.settings.evaluator;
  const at::Tensor all = embedder_.embed(texts_of(set.texts), execution);
  const at::Tensor by_row = all.view({set.texts.rows(), set.texts.columns(), all.size(1)});
  const at::Tensor a = by_row.select(1, 0), b = by_row.select(1, 1);
  if (set.settings.kind == EvaluationKind::kTriplet) {
    return triplet_accuracy(
        settings, triplet_hits(settings.similarities, a, b, by_row.select(1, 2)), set.texts.rows());
  }
  const PairScores scores = pair_scores(settings.similarities, a, b);
  const std::vector<double> labels(set.texts.labels().begin(), set.texts.labels().end());
  return set.settings.kind == EvaluationKind::kBinary
             ? binary_classification(settings, scores, labels)
             : embedding_similarity(settings, scores, labels);
}

Evaluation Rank::evaluate(Execution& execution) {
  Evaluation out;
  for (const EvaluationSet& set : shared_->evaluations) {
    EvaluatorResult result = measure(set, execution);
    for (const auto& [name, value] : result.metrics) out.metrics.push_back({name, value});
    if (out.watched.empty()) out.watched = result.primary;
    out.rows.push_back(result.csv);
  }
  return out;
}

}  // namespace

std::unique_ptr<trainhost::ModelRank> make_sbert_rank(std::shared_ptr<const Shared> shared) {
  return std::make_unique<Rank>(std::move(shared));
}

}  // namespace sbert
