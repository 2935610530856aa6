#include "gradient_shards.h"

#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace zero {

using namespace trainhost;

namespace {

std::vector<BucketLayout> buckets_of(const std::vector<ShardLayout>& layouts) {
  std::vector<BucketLayout> out;
  for (const ShardLayout& layout : layouts) out.push_back(layout.bucket);
  return out;
}

}  // namespace

GradientShards::GradientShards(const AttachContext& context,
                               const std::vector<ShardLayout>& layouts, Replica& replica)
    : communicator_(context.communicator),
      model_(context.model),
      gradient_dtype_(context.gradient_dtype),
      replica_(replica),
      layouts_(layouts),
      arrivals_(buckets_of(layouts), replica, [this](std::size_t bucket) { issue(bucket); }) {
  const auto options = at::TensorOptions().device(context.device.device());
  std::int64_t largest = 0;
  for (const ShardLayout& layout : layouts) {
    const std::int64_t count = layout.counts[communicator_.rank()];
    shards_.push_back({at::zeros({count}, options.dtype(layout.bucket.dtype))});
    largest = std::max(largest, layout.elements() * static_cast<std::int64_t>(
                                                        c10::elementSize(wire_dtype(layout))));
  }
  for (Staging& staging : staging_) staging.bytes = communicator_.allocate(largest);
}

void GradientShards::begin_step(int objective) {
  objective_ = objective;
  for (Shard& shard : shards_) shard.fresh = true;
}

void GradientShards::before_backward(Backward which) {
  if (which != Backward::kPart) arrivals_.begin(objective_);
}

void GradientShards::after_backward(Backward which) {
  if (which == Backward::kPart) return;
  arrivals_.end();
  // In the order of issue, like all sums.
  finish(staging_[next_]);
  finish(staging_[1 - next_]);
}

void GradientShards::issue(std::size_t bucket) {
  c10::NoGradGuard no_grad;
  Staging& staging = staging_[next_];
  next_ = 1 - next_;
  finish(staging);
  const ShardLayout& layout = layouts_[bucket];
  staging.bucket = bucket;
  staging.busy = true;
  const at::Tensor values = values_of(staging);
  fill(layout, values);
  staging.work = communicator_.reduce_scatter(part_of(staging), values, layout.counts,
                                              ReduceOp::kSum, Traffic::kStrategy);
}

at::ScalarType GradientShards::wire_dtype(const ShardLayout& layout) const {
  const bool full = layout.bucket.dtype == at::kFloat && communicator_.world() > 1;
  return full ? gradient_dtype_.value_or(at::kFloat) : layout.bucket.dtype;
}

void GradientShards::fill(const ShardLayout& layout, const at::Tensor& values) {
  const auto size = static_cast<std::int64_t>(c10::elementSize(layout.bucket.dtype));
  for (std::size_t u = 0; u < layout.bucket.units.size(); ++u) {
    const int unit = layout.bucket.units[u];
    const FlatLayout flat = flat_layout(model_.units[unit]);
    const auto& parameters = replica_.parameters_of(unit);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const Replica::Parameter& parameter = *parameters[p];
      at::Tensor& made = parameter.leaf.mutable_grad();
      const at::Tensor place = values
                                   .narrow(0, (layout.bucket.offsets[u] + flat.offsets[p]) / size,
                                           byte_count(*parameter.spec) / size)
                                   .view(parameter.spec->shape);
      if (!made.defined()) {
        place.zero_();
      } else if (made.is_sparse()) {
        place.zero_().add_(made.to(place.scalar_type()));
      } else {
        place.copy_(made);
      }
      made = at::Tensor();
    }
  }
}

at::Tensor GradientShards::values_of(const Staging& staging) const {
  const ShardLayout& layout = layouts_[staging.bucket];
  const at::ScalarType type = wire_dtype(layout);
  const auto size = static_cast<std::int64_t>(c10::elementSize(type));
  return staging.bytes.narrow(0, 0, layout.elements() * size).view(type);
}

at::Tensor GradientShards::part_of(const Staging& staging) const {
  const ShardLayout& layout = layouts_[staging.bucket];
  const int rank = communicator_.rank();
  return values_of(staging).narrow(0, layout.begins[rank], layout.counts[rank]);
}

void GradientShards::finish(Staging& staging) {
  if (!staging.busy) return;
  staging.busy = false;
  wait(staging.work);
  staging.work.reset();
  c10::NoGradGuard no_grad;
  Shard& shard = shards_[staging.bucket];
  // Added to zeros also the first time: a copy would keep a sum's negative zeros.
  if (shard.fresh) shard.sum.zero_();
  shard.fresh = false;
  shard.sum.add_(part_of(staging));
}

}  // namespace zero
