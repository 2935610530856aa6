// Generated sequences: each token, label and pair a pure function of (seed, epoch, row).
//
// classify: about half the tokens of a row are of its class (token ≡ 1 + label mod classes). The
// contrastive tasks: a row is a pair of sequences that share a topic of three tokens. Token 0 is
// the mask: `masked` tokens of each (first) sequence are hidden and asked for.
#pragma once

#include <memory>

#include "settings.h"
#include "trainhost/batch.h"
#include "trainhost/execution.h"
#include "trainhost/random.h"

namespace transformer {

/// The tensors of a batch of n rows, all i64.
enum BatchTensor {
  kTokens,     ///< [n, tokens], masked
  kLabels,     ///< [n]
  kPlaces,     ///< [n, masked]: row · tokens + position, row within the batch
  kWanted,     ///< [n, masked]: what stood there
  kPositives,  ///< [n, tokens]: the contrastive tasks' second sequences
};

/// Rows [begin, end) of a stream of rows; `epoch` is part of the key.
trainhost::Tensors make_rows(const Settings& settings, const trainhost::Random& random,
                             std::int64_t epoch, std::int64_t begin, std::int64_t end);

std::unique_ptr<trainhost::BatchSource> make_batches(const Settings& settings, std::uint64_t seed);

}  // namespace transformer
