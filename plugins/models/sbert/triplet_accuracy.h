// How often the positive is more similar than the negative: TripletEvaluator.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "sbert/evaluator.h"

namespace sbert {

/// For each similarity, how many of these triplets, [n, d] each, have it: similarity(anchor,
/// positive) > similarity(anchor, negative) + margin. Counts of several ranks add up.
std::vector<double> triplet_hits(std::span<const Similarity> similarities,
                                 const at::Tensor& anchors, const at::Tensor& positives,
                                 const at::Tensor& negatives, double margin = 0);

/// Metrics "cosine_accuracy", …, and "max_accuracy" of several similarities, from the hits among
/// `rows` triplets.
EvaluatorResult triplet_accuracy(const EvaluatorSettings& settings, std::span<const double> hits,
                                 std::int64_t rows);

}  // namespace sbert
