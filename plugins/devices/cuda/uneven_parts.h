// Parts of different sizes, which a library's reduce-scatter and all-gather do not know: grouped
// reduces and broadcasts, in place, without padding.
#pragma once

#include "cuda/wire.h"

namespace cuda {

bool all_equal(Counts counts);

/// This rank's part of `all`.
at::Tensor part_of(const at::Tensor& all, Counts counts, int rank);

/// Each rank's part of `all` := its sum over ranks, there; what else `all` holds is undefined.
Issued reduce_parts(Wire& wire, const at::Tensor& all, Counts counts, trainhost::ReduceOp op);

/// Each rank's part of `all` := that of its rank.
Issued broadcast_parts(Wire& wire, const at::Tensor& all, Counts counts);

}  // namespace cuda
