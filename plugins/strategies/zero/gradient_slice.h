// copy_slice: any run of a gradient, as autograd made it.
//
// Purpose: a dense gradient is cut; one that comes as rows (a row-sparse parameter's) is spread out
// for the run alone, so that no dense copy of the whole is made. Threads and ranks: a pure
// function.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace zero {

/// out [n] := elements [offset, offset + n) of the flattened gradient, in out's type.
void copy_slice(const at::Tensor& gradient, std::int64_t offset, const at::Tensor& out);

}  // namespace zero
