#include "sbert/embedding_similarity.h"

#include <algorithm>
#include <limits>
#include <string>

#include "sbert/correlation.h"

namespace sbert {

EvaluatorResult embedding_similarity(const EvaluatorSettings& settings, const PairScores& scores,
                                     std::span<const double> labels) {
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  EvaluatorResult out;
  out.csv.file = csv_file("similarity_evaluation", settings);
  double best_pearson = kNone, best_spearman = kNone;
  for (std::size_t f = 0; f < settings.similarities.size(); ++f) {
    const std::string function = name_of(settings.similarities[f]);
    const double linear = pearson(labels, scores[f]), ranked = spearman(labels, scores[f]);
    out.metrics.emplace_back(named(settings, "pearson_" + function), linear);
    out.metrics.emplace_back(named(settings, "spearman_" + function), ranked);
    out.csv.columns.insert(out.csv.columns.end(), {function + "_pearson", function + "_spearman"});
    out.csv.values.insert(out.csv.values.end(), {linear, ranked});
    best_pearson = std::max(best_pearson, linear);
    best_spearman = std::max(best_spearman, ranked);
  }
  if (settings.similarities.size() == 1) {
    out.primary = out.metrics[1].first;
    return out;
  }
  out.metrics.emplace_back(named(settings, "pearson_max"), best_pearson);
  out.metrics.emplace_back(named(settings, "spearman_max"), best_spearman);
  out.primary = out.metrics.back().first;
  return out;
}

}  // namespace sbert
