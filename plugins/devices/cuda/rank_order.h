// Reductions in the order of ranks, of ATen operations: on whatever device the parts are.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainhost/communicator.h"

namespace cuda {

/// ((p0 op p1) op p2) + …, element by element. 16-bit sums are accumulated in float32 and rounded
/// once. The parts are equal in size and on one device; the result is a new tensor.
at::Tensor reduce_in_rank_order(const std::vector<at::Tensor>& parts, trainhost::ReduceOp op);

}  // namespace cuda
