// The options of the test model `transformer`, as its note declares them.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>

#include "trainhost/options.h"

namespace transformer {

enum class Task { kClassify, kContrastive, kGradCache };

/// Which micro-batches use the adapter: a parameter that is not always used.
enum class Adapter {
  kAlways,
  kOdd,     ///< optimizer steps of an odd number: used by all ranks or by none
  kTokens,  ///< micro-batches with a row of label 0: some ranks use it and others do not
  kNever,   ///< though the objective says it might
  kAbsent,  ///< and the objective does not name it
};

struct Settings {
  std::int64_t vocabulary, width, heads, layers, feed_forward, tokens, rows, classes, masked;
  std::int64_t mini_batch, held_out;
  double dropout;
  Task task;
  Adapter adapter;
  /// The embedding is centred by its mean over all ranks: a collective deep in the graph, whose
  /// backward comes when the gradients of most units have arrived.
  bool sync;
  /// The contrastive tasks: pooled rows go through batch normalisation over all ranks.
  bool batch_norm;
  at::ScalarType dtype;  // of the parameters
  /// From its first step on this rank gets hardly any memory; -1: none.
  std::int64_t starved_rank, greedy_rank;

  static Settings read(const trainhost::Options& options);

  std::int64_t head_width() const { return width / heads; }
};

// The units in the order of ModelSpec::units.
inline constexpr int kEmbedding = 0;
inline constexpr int kFirstLayer = 1;
inline int adapter_unit(const Settings& settings) {
  return kFirstLayer + static_cast<int>(settings.layers);
}
inline int head_unit(const Settings& settings) { return adapter_unit(settings) + 1; }
inline int vocabulary_unit(const Settings& settings) { return adapter_unit(settings) + 2; }
inline int norm_unit(const Settings& settings) { return adapter_unit(settings) + 3; }

}  // namespace transformer
