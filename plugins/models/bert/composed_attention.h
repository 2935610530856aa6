// Attention of packed sequences by ATen operations.
#pragma once

#include "bert/passes.h"

namespace bert::composed {

/// x where a mask keeps it, scaled; x [tokens, columns].
at::Tensor dropped(const at::Tensor& x, const Mask& mask, const Sequences& sequences);

/// context [tokens, hidden] of qkv [tokens, 3 · hidden] (query, key, value).
at::Tensor attend(const LayerPass& pass, const at::Tensor& qkv);

}  // namespace bert::composed
