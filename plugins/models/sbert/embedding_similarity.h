// How well similarities of pairs follow scores that people gave: EmbeddingSimilarityEvaluator.
#pragma once

#include <span>

#include "sbert/evaluator.h"
#include "sbert/pair_scores.h"

namespace sbert {

/// Metrics "pearson_cosine", "spearman_cosine", …, and "pearson_max", "spearman_max" of several
/// similarities. `scores`: for each of settings.similarities, all pairs' (join_scores); `labels`:
/// what people said, one a pair.
EvaluatorResult embedding_similarity(const EvaluatorSettings& settings, const PairScores& scores,
                                     std::span<const double> labels);

}  // namespace sbert
