#include "cuda/rank_order.h"

#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>

namespace cuda {

using trainhost::ReduceOp;

at::Tensor reduce_in_rank_order(const std::vector<at::Tensor>& parts, ReduceOp op) {
  const at::ScalarType type = parts.front().scalar_type();
  const bool narrow = type == at::kHalf || type == at::kBFloat16;
  const bool wide = narrow && op == ReduceOp::kSum;
  at::Tensor result = wide ? parts.front().to(at::kFloat) : parts.front().clone();
  for (std::size_t rank = 1; rank < parts.size(); ++rank) {
    const at::Tensor& part = parts[rank];
    if (op == ReduceOp::kSum) {
      result.add_(part);
    } else if (op == ReduceOp::kMin) {
      at::minimum_out(result, result, part);
    } else {
      at::maximum_out(result, result, part);
    }
  }
  return wide ? result.to(type) : result;
}

}  // namespace cuda
