#include "sbert/pair_scores.h"

#include <algorithm>

namespace sbert {

PairScores pair_scores(std::span<const Similarity> similarities, const at::Tensor& a,
                       const at::Tensor& b) {
  PairScores out;
  for (const Similarity similarity : similarities) {
    const at::Tensor scores = pair_similarity(similarity, a, b).to(at::kCPU, at::kDouble);
    const double* values = scores.contiguous().const_data_ptr<double>();
    out.emplace_back(values, values + scores.numel());
  }
  return out;
}

/// A sum of one number and zeros has no rounding.
PairScores join_scores(const PairScores& mine, std::int64_t first, std::int64_t total,
                       trainhost::Execution& execution) {
  PairScores out;
  for (const std::vector<double>& scores : mine) {
    std::vector<double> all(static_cast<std::size_t>(total), 0.0);
    std::ranges::copy(scores, all.begin() + first);
    execution.sum_over_ranks(all);
    out.push_back(std::move(all));
  }
  return out;
}

}  // namespace sbert
