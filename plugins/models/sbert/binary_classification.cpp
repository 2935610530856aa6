#include "sbert/binary_classification.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace sbert {
namespace {

struct Best {
  double accuracy = 0, accuracy_threshold = -1;
  double f1 = 0, precision = 0, recall = 0, f1_threshold = 0;
  double average_precision = 0;
};

/// The pairs of one similarity, the most similar first.
class Ranking {
 public:
  Ranking(const std::vector<double>& scores, std::span<const double> labels) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      pairs_.push_back({static_cast<float>(scores[i]), labels[i] == 1});
      (pairs_.back().positive ? positives_ : negatives_) += 1;
    }
    std::ranges::stable_sort(pairs_, std::greater<>(), &Pair::score);
  }

  Best best() const {
    Best out;
    if (pairs_.empty()) return out;
    consider_none(out);
    double found = 0, recall_before = 0;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      found += pairs_[i].positive ? 1 : 0;
      if (i + 1 < pairs_.size() && pairs_[i].score == pairs_[i + 1].score) continue;
      const auto taken = static_cast<double>(i + 1);
      const double threshold = below(i);
      consider_accuracy(found, taken, threshold, out);
      if (found == 0) continue;
      const double precision = found / taken, recall = found / positives_;
      consider_f1(precision, recall, threshold, out);
      out.average_precision += (recall - recall_before) * precision;
      recall_before = recall;
    }
    return out;
  }

  /// Matthews' correlation of the labels and score >= threshold.
  double matthews(double threshold) const {
    double true_positives = 0, taken = 0;
    for (const Pair& pair : pairs_) {
      if (pair.score < threshold) break;
      ++taken;
      true_positives += pair.positive ? 1 : 0;
    }
    const double false_positives = taken - true_positives;
    const double false_negatives = positives_ - true_positives;
    const double true_negatives = negatives_ - false_positives;
    const double squared = taken * positives_ * negatives_ * (true_negatives + false_negatives);
    if (squared == 0) return 0;
    return (true_positives * true_negatives - false_positives * false_negatives) /
           std::sqrt(squared);
  }

 private:
  struct Pair {
    float score;  // thresholds are computed in the scores' own type
    bool positive;
  };

  /// A threshold between pair i and the next.
  double below(std::size_t i) const {
    const float own = pairs_[i].score;
    if (i + 1 == pairs_.size()) return own;
    const float next = pairs_[i + 1].score, middle = (own + next) / 2;
    return middle == next ? own : middle;
  }

  void consider_none(Best& out) const {
    out.accuracy = negatives_ / static_cast<double>(pairs_.size());
    out.accuracy_threshold =
        std::nextafter(pairs_[0].score, std::numeric_limits<float>::infinity());
  }

  void consider_accuracy(double found, double taken, double threshold, Best& out) const {
    const double accuracy =
        (found + negatives_ - (taken - found)) / static_cast<double>(pairs_.size());
    if (accuracy <= out.accuracy) return;
    out.accuracy = accuracy;
    out.accuracy_threshold = threshold;
  }

  static void consider_f1(double precision, double recall, double threshold, Best& out) {
    const double f1 = 2 * precision * recall / (precision + recall);
    if (f1 <= out.f1) return;
    out.f1 = f1;
    out.precision = precision;
    out.recall = recall;
    out.f1_threshold = threshold;
  }

  std::vector<Pair> pairs_;
  double positives_ = 0, negatives_ = 0;
};

using Named = std::vector<std::pair<const char*, double>>;

/// In the order of the CSV file.
Named measure(Similarity similarity, const std::vector<double>& scores,
              std::span<const double> labels) {
  const Ranking ranking(scores, labels);
  const Best best = ranking.best();
  const bool distance =
      similarity == Similarity::kEuclidean || similarity == Similarity::kManhattan;
  const double sign = distance ? -1 : 1;
  return {{"accuracy", best.accuracy},
          {"accuracy_threshold", sign * best.accuracy_threshold},
          {"f1", best.f1},
          {"precision", best.precision},
          {"recall", best.recall},
          {"f1_threshold", sign * best.f1_threshold},
          {"ap", best.average_precision},
          {"mcc", ranking.matthews(best.f1_threshold)}};
}

}  // namespace

EvaluatorResult binary_classification(const EvaluatorSettings& settings, const PairScores& scores,
                                      std::span<const double> labels) {
  EvaluatorResult out;
  out.csv.file = csv_file("binary_classification_evaluation", settings);
  Named most;
  for (std::size_t f = 0; f < settings.similarities.size(); ++f) {
    const std::string function = name_of(settings.similarities[f]);
    const Named measured = measure(settings.similarities[f], scores[f], labels);
    for (const auto& [metric, value] : measured) {
      out.metrics.emplace_back(named(settings, function + "_" + metric), value);
      out.csv.columns.push_back(function + "_" + metric);
      out.csv.values.push_back(value);
    }
    if (most.empty()) most = measured;
    for (std::size_t m = 0; m < most.size(); ++m) {
      most[m].second = std::max(most[m].second, measured[m].second);
    }
  }
  if (settings.similarities.size() == 1) {
    out.primary = named(settings, std::string(name_of(settings.similarities[0])) + "_ap");
    return out;
  }
  for (const auto& [metric, value] : most) {
    out.metrics.emplace_back(named(settings, std::string("max_") + metric), value);
  }
  out.primary = named(settings, "max_ap");
  return out;
}

}  // namespace sbert
