// Encoder: the units of the model, run through Execution on some rows.
#pragma once

#include "functions.h"
#include "settings.h"
#include "trainhost/execution.h"

namespace transformer {

/// Sequences of one micro-batch, all or some, and the keys of their dropout.
struct Sequences {
  at::Tensor ids;     ///< i64 [n, tokens]
  at::Tensor labels;  ///< i64 [n]
  std::int64_t step = 0;
  std::int64_t first = 0;  ///< global number of the first row in its step
  bool second = false;     ///< of a pair

  std::int64_t rows() const { return ids.size(0); }
};

/// Purpose: the forward pass. Owner: a ModelRank's loss or evaluation; borrows the execution.
/// Threads and ranks: the rank's thread; everything here is [collective]. The units may run again
/// once the encoder is gone, so `settings` lives as long as the rank.
class Encoder {
 public:
  Encoder(const Settings& settings, trainhost::Execution& execution)
      : settings_(settings), execution_(execution) {}

  /// → [n · tokens, width]
  at::Tensor encode(const Sequences& sequences);
  Pooled pool(const at::Tensor& x, bool with_logits);
  /// Kept small beside the task's loss, and 0 where nothing is masked.
  at::Tensor masked_loss(const at::Tensor& x, const at::Tensor& places, const at::Tensor& wanted);

 private:
  at::Tensor synchronised(const at::Tensor& x);
  at::Tensor adapted(const at::Tensor& x, const Sequences& sequences);

  const Settings& settings_;
  trainhost::Execution& execution_;
};

}  // namespace transformer
