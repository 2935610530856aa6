// The encoder's units of plain ATen operations: for any device, and the reference of the fused
// ones.
//
// Matrix products follow autocast; residual sums, LayerNorm and the hidden states are fp32.
#pragma once

#include "bert/passes.h"

namespace bert::composed {

/// Hidden states [tokens, hidden].
at::Tensor embed(const EmbeddingPass& pass, const trainhost::UnitTensors& unit);
/// The same after one more layer.
at::Tensor encode_layer(const LayerPass& pass, const trainhost::UnitTensors& unit,
                        const at::Tensor& x);

}  // namespace bert::composed
