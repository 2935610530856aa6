// Similarities of pairs, split over ranks.
//
// Each rank scores its own pairs and all get all scores: some numbers a pair, where embeddings
// would be hundreds.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "sbert/similarity.h"
#include "trainhost/execution.h"

namespace sbert {

/// [similarities][pairs]; computed in the embeddings' type. A distance comes as its negative.
using PairScores = std::vector<std::vector<double>>;

/// Of a[i] and b[i], each [n, d].
PairScores pair_scores(std::span<const Similarity> similarities, const at::Tensor& a,
                       const at::Tensor& b);

/// All ranks' scores in the order of the pairs; `mine` are those of pairs [first, first + n) of
/// `total`, and each pair is some rank's.  [collective]
PairScores join_scores(const PairScores& mine, std::int64_t first, std::int64_t total,
                       trainhost::Execution& execution);

}  // namespace sbert
