#include "virtual_ranks.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

namespace single {

using trainhost::Replica;

void VirtualRanks::round(at::Tensor& gradient) const {
  if (!gradient_dtype_ || gradient.scalar_type() != at::kFloat || replicas_.size() == 1) return;
  gradient.copy_(gradient.to(*gradient_dtype_));
}

void VirtualRanks::sum(int objective, bool last) {
  c10::NoGradGuard no_grad;
  const std::size_t count = replicas_[0]->parameters().size();
  for (std::size_t p = 0; p < count; ++p) {
    Replica::Parameter& first = replicas_[0]->parameters()[p];
    if (!first.spec->requires_grad || !replicas_[0]->used_by(objective, first.unit)) continue;
    round(first.gradient);
    // A communicator's sum of 16-bit numbers is rounded once.
    const bool of_16_bits = first.gradient.element_size() == 2;
    at::Tensor reduced = of_16_bits ? first.gradient.to(at::kFloat) : first.gradient;
    for (std::size_t r = 1; r < replicas_.size(); ++r) {
      Replica::Parameter& other = replicas_[r]->parameters()[p];
      round(other.gradient);
      reduced.add_(other.gradient);
      first.touched = first.touched || other.touched;
      other.gradient.zero_();
      other.touched = false;
    }
    if (of_16_bits) first.gradient.copy_(reduced);
    round(first.gradient);
    at::Tensor& sum = sums_[p];
    if (!sum.defined()) sum = at::zeros_like(first.gradient);
    sum.add_(first.gradient);
    first.gradient.zero_();
    if (last) {
      first.gradient.copy_(sum);
      sum.zero_();
    }
  }
}

}  // namespace single
