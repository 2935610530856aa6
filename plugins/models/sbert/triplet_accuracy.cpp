#include "sbert/triplet_accuracy.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <string>

namespace sbert {

std::vector<double> triplet_hits(std::span<const Similarity> similarities,
                                 const at::Tensor& anchors, const at::Tensor& positives,
                                 const at::Tensor& negatives, double margin) {
  std::vector<double> out;
  for (const Similarity similarity : similarities) {
    const at::Tensor nearer = pair_similarity(similarity, anchors, positives);
    const at::Tensor farther = pair_similarity(similarity, anchors, negatives) + margin;
    out.push_back(nearer.gt(farther).sum().item().toDouble());
  }
  return out;
}

EvaluatorResult triplet_accuracy(const EvaluatorSettings& settings, std::span<const double> hits,
                                 std::int64_t rows) {
  EvaluatorResult out;
  out.csv.file = csv_file("triplet_evaluation", settings);
  for (std::size_t f = 0; f < settings.similarities.size(); ++f) {
    const std::string function = name_of(settings.similarities[f]);
    const double accuracy = hits[f] / static_cast<double>(std::max<std::int64_t>(1, rows));
    out.metrics.emplace_back(named(settings, function + "_accuracy"), accuracy);
    out.csv.columns.push_back("accuracy_" + function);
    out.csv.values.push_back(accuracy);
  }
  if (settings.similarities.size() > 1) {
    out.metrics.emplace_back(named(settings, "max_accuracy"), std::ranges::max(out.csv.values));
  }
  out.primary = out.metrics.back().first;
  return out;
}

}  // namespace sbert
