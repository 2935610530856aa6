// Correlations of two lists of numbers, as scipy.stats computes them.
#pragma once

#include <span>
#include <vector>

namespace sbert {

/// Pearson's: NaN for lists of fewer than two numbers, or where one is constant.
double pearson(std::span<const double> x, std::span<const double> y);

/// Spearman's: Pearson's of the ranks.
double spearman(std::span<const double> x, std::span<const double> y);

/// From 1; equal values share the mean of their ranks.
std::vector<double> average_ranks(std::span<const double> values);

}  // namespace sbert
