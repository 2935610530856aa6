// Sets of made-up sentences (synthetic.h) in the form that a loss wants, and pairs to measure with.
//
// Threads and ranks: pure functions of their arguments; equal on all ranks.
#pragma once

#include <cstdint>

#include "bert/tokenizer.h"
#include "sbert/evaluation_set.h"
#include "sbert/loss_settings.h"
#include "sbert/synthetic.h"
#include "sbert/training_set.h"

namespace sbert {

struct GeneratedSettings {
  std::int64_t rows = 0;
  SyntheticOptions text{};
};

/// `max_length`: ids of a text.
TrainingSet generated_set(const GeneratedSettings& settings, const LossSettings& loss,
                          const bert::Tokenizer& tokenizer, std::int32_t max_length, int threads);

/// Pairs with scores that no training set has.
EvaluationSet generated_evaluation(const GeneratedSettings& settings,
                                   const bert::Tokenizer& tokenizer, std::int32_t max_length,
                                   int threads);

}  // namespace sbert
