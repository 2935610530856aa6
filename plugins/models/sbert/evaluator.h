// What the evaluators have in common: a result with the names of sentence-transformers' evaluators,
// and the row of the CSV file that they keep.
//
// An evaluator here is a pure function of numbers that every rank has (similarities of pairs, sums
// over queries), so that its result is the same on all ranks; each header says how the work before
// it is split. Goldens: tests/models/sbert/golden/make_evaluators.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sbert/similarity.h"
#include "trainhost/model.h"

namespace sbert {

struct EvaluatorResult {
  std::vector<std::pair<std::string, double>> metrics{};  ///< "sts-dev_spearman_cosine"
  std::string primary{};  ///< the name of the one that the best model is chosen by; more is better
  trainhost::EvaluationRow csv{};

  double metric(std::string_view name) const;
};

struct EvaluatorSettings {
  std::string name{};  ///< of the data; "" leaves it out of names and files
  std::vector<Similarity> similarities{Similarity::kCosine};
};

/// "NAME_metric", or the metric's name alone.
std::string named(const EvaluatorSettings& settings, const std::string& metric);
/// "PREFIX_NAME_results.csv".
std::string csv_file(const std::string& prefix, const EvaluatorSettings& settings);

}  // namespace sbert
