// GradCache: the loss and gradients of a large batch with the memory of a small one.
//
// Gao, Zhang, Han, Callan: "Scaling Deep Contrastive Learning Batch Size under Memory Limited
// Setup", 2021: the embeddings of all mini-batches without a graph, the loss and its gradient down
// to the embeddings, then each mini-batch once more with a graph, through which the embeddings'
// gradients go back. What the encoder gets is the gradient of the whole batch, up to rounding. The
// last mini-batch keeps its graph from the first round, so it runs once: with one mini-batch this
// is the plain loss. Forward passes: 2 · count − 1 instead of count; gradients are reduced once.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sbert/losses.h"

namespace sbert {

/// Embeds rows [begin, end) of this rank's micro-batch, maybe none: a tensor [end − begin, d] for
/// each column. Called with the same rows again it gives the same values (dropout is keyed by row).
/// [collective]
using Embed = std::function<trainhost::Tensors(std::int64_t begin, std::int64_t end)>;

struct CachedBatch {
  at::Tensor labels;                  ///< as Columns::labels
  std::vector<std::int64_t> rows_of;  ///< rows of each rank, in rank order
  std::int64_t mini_batch = 1;        ///< rows of a rank that have a graph at a time, at most
};

/// The loss, detached: backward has been done, with Execution::backward. The number of mini-batches
/// follows from the largest part of any rank, so all ranks make as many calls; each rank cuts its
/// rows evenly.  [collective]
trainhost::Loss cached_loss(const LossFunction& loss, const CachedBatch& batch, const Embed& embed,
                            trainhost::Execution& execution);

}  // namespace sbert
