// Embedder: embeddings of many texts, without gradients.
//
// Purpose: evaluation and prediction. Texts go by length, longest first, in batches of about as
// many tokens, which the ranks take in turn; every rank gets all embeddings, in the order of the
// texts. Owner: a rank; borrows encoder and execution. Threads and ranks: the rank's thread,
// [collective].
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>

#include "bert/encoder.h"
#include "sbert/directory.h"
#include "trainhost/execution.h"

namespace sbert {

/// Texts to embed: `tokens(i)` for i from 0.
struct TextList {
  std::int64_t size = 0;
  std::function<std::span<const std::int32_t>(std::int64_t)> tokens;
};

class Embedder {
 public:
  /// Both live as long as the rank.
  Embedder(const bert::Encoder& encoder, const Directory& directory)
      : encoder_(encoder), directory_(directory) {}

  /// Called on the way with texts done by all ranks, and all.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  /// fp32 [n, dimension] on the CPU.  [collective]
  at::Tensor embed(const TextList& texts, trainhost::Execution& execution,
                   const Progress& progress = {}) const;

  /// One vector a sequence: pooled, and of length 1 where the model says so. Differentiable.
  /// `packed` is on the device.  [collective]
  at::Tensor encode(const bert::Packed& packed, std::uint32_t step,
                    trainhost::Execution& execution) const;

 private:
  const bert::Encoder& encoder_;
  const Directory& directory_;
};

}  // namespace sbert
