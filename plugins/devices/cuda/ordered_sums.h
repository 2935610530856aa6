// Sums in the order of ranks over a wire that adds in an order of its own: an all-to-all and a sum
// on the device. The wire carries what a reduce-scatter does; a buffer as large as the tensor is
// needed beside it.
#pragma once

#include "cuda/group.h"

namespace cuda {

/// Whether the wire's own sum would not do: more than two ranks, of whom the order is asked for, or
/// whose 16-bit numbers it would add in 16 bits. Two numbers have one sum in either order.
bool must_be_ordered(const GroupPlace& place, const Description& what);

/// The sum of this rank's part of the ranks' `input` [Σ counts], a new tensor; issued to the
/// current stream when this returns.  [collective]
at::Tensor own_sum_in_order(Group& group, const at::Tensor& input, Counts counts,
                            const Description& what);

}  // namespace cuda
