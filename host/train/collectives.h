// Differentiable collectives: what Execution offers to losses that look across ranks.
//
// Purpose: all_gather's gradient is a reduce_scatter, the reverse, and all_reduce's is an
// all_reduce. Shapes: rows [rows_of[rank], …] with different row counts per rank; all other
// dimensions equal. Threads and ranks: [collective], in forward and, in reverse order, in backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "trainhost/communicator.h"

namespace trainhost::train {

at::Tensor differentiable_all_gather(Communicator& communicator, const at::Tensor& rows,
                                     std::span<const std::int64_t> rows_of);
at::Tensor differentiable_reduce_scatter(Communicator& communicator, const at::Tensor& rows,
                                         std::span<const std::int64_t> rows_of);
at::Tensor differentiable_all_reduce(Communicator& communicator, const at::Tensor& value);

}  // namespace trainhost::train
