// What a recipe asks to be measured: one table of data.evaluate, and its texts once they are read.
//
// The options of a table, for the plugin's note: "kind" and those of a set (set_settings.h); for
// retrieval "queries", "corpus" (id, text) and "relevant" (query id, document id) instead of
// "file".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sbert/evaluator.h"
#include "sbert/set_settings.h"
#include "sbert/training_set.h"
#include "trainhost/host.h"
#include "trainhost/options.h"

namespace sbert {

enum class EvaluationKind { kSimilarity, kTriplet, kBinary, kRetrieval };

struct EvaluationSettings {
  EvaluationKind kind = EvaluationKind::kSimilarity;
  EvaluatorSettings evaluator{};  ///< the name in metrics and files
  SetSettings set{};              ///< not of retrieval
  std::string queries{}, corpus{}, relevant{};
  std::string query_prompt{}, corpus_prompt{};

  static EvaluationSettings read(const trainhost::Options& options);
};

/// Purpose: the texts to embed, as ids, and what is known of them. Owner: shared, read-only.
/// Threads and ranks: immutable, any thread; equal on all ranks.
struct EvaluationSet {
  EvaluationSettings settings;
  TrainingSet texts;  ///< pairs or triplets; of retrieval the queries, one column
  TrainingSet corpus;
  std::vector<std::vector<std::int64_t>> relevant{};  ///< by query: documents, ascending
};

/// Reads and tokenises. Errors: Error (Failure::kUser) with file and line.
EvaluationSet load_evaluation(const EvaluationSettings& settings, const bert::Tokenizer& tokenizer,
                              std::int32_t max_length, trainhost::Host& host);

}  // namespace sbert
