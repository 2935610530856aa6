// The recipe's options of SBERT, as one struct.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bert/config.h"
#include "bert/encoder.h"
#include "sbert/evaluation_set.h"
#include "sbert/generated.h"
#include "sbert/loss_settings.h"
#include "sbert/order.h"
#include "sbert/set_settings.h"
#include "trainhost/options.h"

namespace sbert {

/// An encoder that starts from random numbers.
struct FromScratch {
  bert::Config config;
  std::string vocabulary{};  ///< a vocab.txt; "": that of the generated sentences
  bool lowercase = true;
};

struct OrderSettings {
  Mix mix = Mix::kProportional;
  bool drop_last = false;
};

struct Settings {
  std::string folder{};  ///< where the model is read from; "": from scratch
  FromScratch scratch{};
  std::int64_t max_seq_length = 0;  ///< 0: the folder's own
  std::string pooling{};            ///< "": the folder's own
  int normalise = -1;               ///< 0, 1; -1: the folder's own
  double dropout = -1;              ///< of the encoder; -1: the folder's own
  bert::Kernels kernels = bert::Kernels::kAutomatic;
  LossSettings loss{};
  std::vector<SetSettings> sets{};     ///< empty: generated sentences
  std::vector<LossSettings> losses{};  ///< of each set, or of the generated sentences
  OrderSettings order{};
  std::vector<EvaluationSettings> evaluations{};
  GeneratedSettings generated{};

  bool makes_data() const { return sets.empty(); }
};

/// Checks what the schema cannot (options that must fit each other). Throws trainhost::Error
/// (kUser).
Settings read_settings(const trainhost::Options& model, const trainhost::Options& data);

}  // namespace sbert
