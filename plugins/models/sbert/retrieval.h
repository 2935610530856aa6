// How well queries find their documents: InformationRetrievalEvaluator.
//
// Queries are split over ranks, and every rank looks through the whole corpus, which it may be
// given in pieces; memory holds the best of each query and a block of scores, never queries ×
// corpus. Documents of equal score are ranked by their number.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "sbert/evaluator.h"

namespace sbert {

struct RetrievalSettings : EvaluatorSettings {
  std::vector<std::int64_t> accuracy_at{1, 3, 5, 10};
  std::vector<std::int64_t> precision_recall_at{1, 3, 5, 10};
  std::vector<std::int64_t> mrr_at{10}, ndcg_at{10}, map_at{100};
  std::int64_t scores_at_once = std::int64_t{1} << 22;

  /// The longest list that any of them looks at.
  std::int64_t depth() const;
};

/// Purpose: the best documents of this rank's queries. Owner: an evaluation. Threads and ranks: one
/// thread at a time; no collectives.
class Retrieval {
 public:
  /// `queries`: [q, d] on the CPU; keep `settings` as long.
  Retrieval(const RetrievalSettings& settings, const at::Tensor& queries);

  /// Documents [first, first + n) of the corpus: [n, d]. In any order, each once.
  void add(const at::Tensor& documents, std::int64_t first);

  /// Sums over the queries, to be added up over ranks: the number of queries, then every metric of
  /// every similarity. relevant[i]: the documents that query i is to find, ascending; a query with
  /// none does not count.
  std::vector<double> sums(std::span<const std::vector<std::int64_t>> relevant) const;

 private:
  struct Hit {
    float score;
    std::int64_t document;
  };
  static bool better(const Hit& left, const Hit& right);
  void offer(std::vector<Hit>& best, const float* scores, std::int64_t count, std::int64_t first);

  const RetrievalSettings& settings_;
  std::vector<at::Tensor> queries_;                  // by similarity, as it wants them
  std::vector<std::vector<std::vector<Hit>>> best_;  // [similarity][query]: a heap, worst on top
};

/// Metrics "cosine_accuracy@1", "…_precision@1", "…_recall@1", "…_ndcg@10", "…_mrr@10",
/// "…_map@100" from Retrieval::sums, added up over ranks.
EvaluatorResult information_retrieval(const RetrievalSettings& settings,
                                      std::span<const double> sums);

}  // namespace sbert
