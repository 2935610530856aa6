// LossSettings: the options of the recipe's model table that choose a loss.
//
// As the plugin's note declares them:
//   {"name": "loss", "type": "string", "default": "mnrl",
//    "one_of": ["mnrl", "cached_mnrl", "cosine", "cosent", "softmax_nli", "triplet"]},
//   {"name": "scale", "type": "number", "default": 20, "exclusive_min": 0,
//    "help": "mnrl, cosent: what similarities are multiplied by (1 / temperature)"},
//   {"name": "similarity", "type": "string", "default": "cosine", "one_of": ["cosine", "dot"],
//    "help": "mnrl"},
//   {"name": "gather_negatives", "type": "bool", "default": true,
//    "help": "mnrl: the other ranks' positives and negatives are negatives too"},
//   {"name": "mini_batch", "type": "int", "default": 0, "min": 0,
//    "help": "rows that have a graph at a time (GradCache); 0: all, cached_mnrl: 32"},
//   {"name": "margin", "type": "number", "default": 5, "help": "triplet"},
//   {"name": "distance", "type": "string", "default": "euclidean",
//    "one_of": ["euclidean", "cosine", "manhattan"], "help": "triplet"},
//   {"name": "classes", "type": "int", "default": 3, "min": 2, "help": "softmax_nli"},
//   {"name": "matryoshka_dims", "type": "list<int>", "default": [], "min": 1, "max_items": 32,
//    "help": "the loss is that of embeddings cut to each of these sizes"},
//   {"name": "matryoshka_weights", "type": "list<number>", "default": [], "max_items": 32,
//    "help": "of matryoshka_dims, in their order; empty: 1 each"}
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sbert/similarity.h"
#include "trainhost/options.h"

namespace sbert {

enum class LossKind { kInBatchNegatives, kCosine, kCosent, kSoftmax, kTriplet };

/// What a loss wants beside the texts.
enum class LabelNeed { kNone, kScore, kClass };

struct LossSettings {
  LossKind kind = LossKind::kInBatchNegatives;
  double scale = 20;
  Similarity similarity = Similarity::kCosine;
  bool gather_negatives = true;
  std::int64_t mini_batch = 0;  ///< 0: no GradCache
  double margin = 5;
  Similarity distance = Similarity::kEuclidean;
  std::int64_t classes = 3;
  std::vector<std::int64_t> matryoshka_dims{};  ///< empty: none
  std::vector<double> matryoshka_weights{};     ///< as many
  /// As the recipe has it, and where, for messages.
  std::string name = "mnrl", where{};

  /// Errors: Error (Failure::kUser) with the option's place.
  static LossSettings read(const trainhost::Options& options) { return read(options, options); }
  /// The same with the loss's name from another table: a set of the data may have its own.
  static LossSettings read(const trainhost::Options& options, const trainhost::Options& chooser);

  LabelNeed label_need() const;
};

/// What a loss is asked to work with.
struct SetShape {
  std::string name;                  ///< of the set, for messages
  std::vector<std::string> columns;  ///< of texts
  bool has_label = false;
  std::int64_t dimension = 0;  ///< of the embeddings
};

/// Error (Failure::kUser) where the loss cannot use such a set: which columns it needs and which
/// the set has.
void require_fit(const LossSettings& settings, const SetShape& set);

/// What is wrong with a row's label, "" where nothing is: for the reader of the data, who knows
/// file and line.
std::string label_problem(const LossSettings& settings, double label);

}  // namespace sbert
