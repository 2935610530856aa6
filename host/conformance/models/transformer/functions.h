// What the units compute: an encoder as in Vaswani et al., "Attention Is All You Need", 2017,
// section 3.1 (norm after each residual sum), a tanh pooler over the mean, and a tied output (Press
// and Wolf, "Using the Output Embedding to Improve Language Models", 2017).
#pragma once

#include "dropout.h"
#include "settings.h"
#include "trainhost/execution.h"

namespace transformer {

using trainhost::Tensors;
using trainhost::UnitTensors;

/// ids i64 [n, tokens] → [n · tokens, width]
at::Tensor embed(const Settings& settings, const UnitTensors& unit, const at::Tensor& ids,
                 const Dropout& dropout);

/// x [n · tokens, width] → the same
at::Tensor encode_layer(const Settings& settings, std::int64_t layer, const UnitTensors& unit,
                        const at::Tensor& x, const Dropout& dropout);

/// x + tanh(linear(x)) for the sequences with `marked` [n, 1] of 1; where none is, the parameters
/// are not read.
at::Tensor adapt(const Settings& settings, const UnitTensors& unit, const at::Tensor& x,
                 const at::Tensor& marked);

/// x [n · tokens, width] → [n, width]: the mean of the tokens through the pooler, and the classes'
/// logits [n, classes] of it minus the centre.
struct Pooled {
  at::Tensor values, logits;
};
Pooled pool(const Settings& settings, const UnitTensors& unit, const at::Tensor& x,
            bool with_logits);

/// The summed cross entropy of the hidden tokens: hidden [m, width], wanted i64 [m].
at::Tensor masked_loss(const UnitTensors& unit, const at::Tensor& hidden, const at::Tensor& wanted);

/// Σ over rows of −log softmax(logits)[label]; 0 without rows.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels);

/// Rows of length 1.
at::Tensor normalised(const at::Tensor& rows);

}  // namespace transformer
