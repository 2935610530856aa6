// The encoder's units as single functions with a backward of their own, for a CPU in fp32 or bf16.
//
// Matrix products are ATen's, in `type`, with fp32 accumulation; the kernels between them keep
// residual sums and statistics in fp32. Parameters are contiguous fp32. Without gradients nothing
// is saved. Each function can be differentiated once, and its intermediate results are freed then.
#pragma once

#include "bert/passes.h"

namespace bert::fused {

/// Hidden states [tokens, hidden] of type `type`: at::kFloat or at::kBFloat16.
at::Tensor embed(const EmbeddingPass& pass, at::ScalarType type,
                 const trainhost::UnitTensors& unit);
/// The same after one more layer.
at::Tensor encode_layer(const LayerPass& pass, at::ScalarType type,
                        const trainhost::UnitTensors& unit, const at::Tensor& x);

}  // namespace bert::fused
