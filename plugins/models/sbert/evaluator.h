// What the evaluators have in common: a result with the names of sentence-transformers' evaluators,
// and the line of the CSV file that they keep.
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

namespace sbert {

/// A line of an evaluator's CSV file, which begins with a header and grows by a row an evaluation.
struct CsvLine {
  std::string file;                    ///< "similarity_evaluation_sts-dev_results.csv"
  std::vector<std::string> columns{};  ///< after epoch and steps
  std::vector<double> values{};
  std::string line_end = "\r\n";

  std::string header() const;
  /// -1, -1: no training.
  std::string row(double epoch, std::int64_t steps) const;
};

struct EvaluatorResult {
  std::vector<std::pair<std::string, double>> metrics{};  ///< "sts-dev_spearman_cosine"
  std::string primary{};  ///< the name of the one that the best model is chosen by; more is better
  CsvLine csv;

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

/// As Python writes a float: the fewest digits that read back as the same number.
std::string python_float(double value);

}  // namespace sbert
