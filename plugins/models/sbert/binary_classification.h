// How well a threshold of the similarity tells pairs that belong together from others:
// BinaryClassificationEvaluator.
#pragma once

#include <span>

#include "sbert/evaluator.h"
#include "sbert/pair_scores.h"

namespace sbert {

/// For each similarity "cosine_accuracy" and "cosine_accuracy_threshold" at the best threshold for
/// accuracy, "cosine_f1", "…_f1_threshold", "…_precision", "…_recall", "…_mcc" (Matthews'
/// correlation) at the best one for F1, and "…_ap" (average precision); of several similarities
/// also "max_…", the largest of each. Thresholds of distances are distances, below which a pair
/// belongs together. `scores`: all pairs' (join_scores); `labels`: 1 where a pair does, else 0.
EvaluatorResult binary_classification(const EvaluatorSettings& settings, const PairScores& scores,
                                      std::span<const double> labels);

}  // namespace sbert
