// recomputed: activation checkpointing of one run of a unit.
//
// Purpose: keeps the inputs and nothing else for backward, which runs the unit once more, now with
// a graph, and goes back through that (Chen et al., "Training Deep Nets with Sublinear Memory
// Cost", 2016). Gradients of parameters are accumulated by that inner backward. Threads and ranks:
// `first` runs in the caller's thread, `again` in that of backward.
#pragma once

#include <functional>

#include "trainhost/execution.h"

namespace trainhost::train {

using RunUnit = std::function<Tensors(const Tensors& inputs)>;

/// The outputs of first(inputs), run without a graph; their backward is that of again(inputs),
/// which gives the same outputs.
Tensors recomputed(const Tensors& inputs, const RunUnit& first, RunUnit again);

}  // namespace trainhost::train
