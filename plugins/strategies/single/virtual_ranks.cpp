#include "virtual_ranks.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

namespace single {

using trainhost::Replica;

void VirtualRanks::sum(int objective, bool last) {
  c10::NoGradGuard no_grad;
  const std::size_t count = replicas_[0]->parameters().size();
  for (std::size_t p = 0; p < count; ++p) {
    Replica::Parameter& first = replicas_[0]->parameters()[p];
    if (!first.spec->requires_grad || !replicas_[0]->used_by(objective, first.unit)) continue;
    // A communicator's sum of 16-bit numbers is rounded once.
    const bool rounds = first.gradient.element_size() == 2;
    at::Tensor reduced = rounds ? first.gradient.to(at::kFloat) : first.gradient;
    for (std::size_t r = 1; r < replicas_.size(); ++r) {
      Replica::Parameter& other = replicas_[r]->parameters()[p];
      reduced.add_(other.gradient);
      first.touched = first.touched || other.touched;
      other.gradient.zero_();
      other.touched = false;
    }
    if (rounds) first.gradient.copy_(reduced);
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
