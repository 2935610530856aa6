#include "trainhost/gradient_buckets.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <utility>

namespace trainhost {

GradientBuckets::GradientBuckets(const AttachContext& context, Replica& replica,
                                 const Settings& settings)
    : reduce_(settings.reduce),
      exact_(context.numerics == Numerics::kExact),
      wire_dtype_(context.gradient_dtype),
      communicator_(context.communicator),
      replica_(replica),
      arrivals_(bucket_layouts(context.model, context.objectives, settings.bucket_bytes), replica,
                [this](std::size_t bucket) { issue(bucket); }) {
  for (const BucketLayout& layout :
       bucket_layouts(context.model, context.objectives, settings.bucket_bytes)) {
    add_bucket(layout, settings);
  }
  replica.on_gradient(
      [this](const Replica::Parameter& parameter) { arrivals_.arrived(parameter); });
}

void GradientBuckets::add_bucket(const BucketLayout& layout, const Settings& settings) {
  const at::Tensor bytes = communicator_.allocate(layout.bytes);
  const std::size_t index = buckets_.size();
  Bucket& bucket = buckets_.emplace_back();
  bucket.values = bytes.view(layout.dtype);
  bucket.mine = settings.mine ? settings.mine(index, bucket.values) : bucket.values;
  if (exact_ && bucket.mine.defined()) bucket.sum = at::zeros_like(bucket.mine);
  if (wire_dtype_ && layout.dtype == at::kFloat && communicator_.world() > 1) {
    bucket.wire = communicator_.allocate(layout.bytes / 2).view(*wire_dtype_);
    bucket.wire_mine = settings.mine ? settings.mine(index, bucket.wire) : bucket.wire;
  }
  for (std::size_t u = 0; u < layout.units.size(); ++u) {
    replica_.bind_gradients(layout.units[u], bytes.slice(0, layout.offsets[u]),
                            Replica::First::kOverwrite);
  }
}

void GradientBuckets::before_backward(Backward which) {
  if (reduces(which)) arrivals_.begin(objective_);
  replica_.before_backward();
}

void GradientBuckets::after_backward(Backward which) {
  replica_.after_backward(which);
  if (!reduces(which)) return;
  arrivals_.end();
  if (exact_) add_to_sum(which == Backward::kLastOfStep);
}

void GradientBuckets::issue(std::size_t index) {
  c10::NoGradGuard no_grad;
  for (Replica::Parameter* parameter : arrivals_.parameters(index)) {
    if (parameter->stale) parameter->gradient.zero_();
    parameter->stale = false;
  }
  Bucket& bucket = buckets_[index];
  if (communicator_.world() == 1) return;
  if (bucket.wire.defined()) bucket.wire.copy_(bucket.values);
  bucket.work = reduce_(index, bucket.wire.defined() ? bucket.wire : bucket.values);
  bucket.under_way = true;
}

void GradientBuckets::wait() {
  c10::NoGradGuard no_grad;
  for (Bucket& bucket : buckets_) {
    if (!std::exchange(bucket.under_way, false)) continue;
    trainhost::wait(bucket.work);
    bucket.work.reset();
    if (bucket.wire_mine.defined()) bucket.mine.copy_(bucket.wire_mine);
  }
}

void GradientBuckets::abandon() {
  arrivals_.abandon();
  wait();
  for (Bucket& bucket : buckets_) {
    if (bucket.sum.defined()) bucket.sum.zero_();
  }
}

/// Exact numerics: micro-batches are summed after their reduction, so in one order for every
/// strategy. The sum takes the place of the gradient after the last one.
void GradientBuckets::add_to_sum(bool last) {
  wait();
  c10::NoGradGuard no_grad;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    Bucket& bucket = buckets_[b];
    if (!arrivals_.in_use(b, objective_)) continue;
    if (bucket.sum.defined()) bucket.sum.add_(bucket.mine);
    if (last && bucket.sum.defined()) {
      bucket.mine.copy_(bucket.sum);
      bucket.sum.zero_();
    } else {
      bucket.values.zero_();
    }
  }
}

}  // namespace trainhost
