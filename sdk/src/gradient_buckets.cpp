#include "trainhost/gradient_buckets.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "trainhost/flat_layout.h"

namespace trainhost {
namespace {

std::vector<bool> reaching(const AttachContext& context, const Replica& replica, int unit) {
  std::vector<bool> objectives;
  for (std::size_t o = 0; o < context.objectives.size(); ++o) {
    objectives.push_back(replica.used_by(static_cast<int>(o), unit));
  }
  return objectives;
}

std::int64_t bytes_of(const AttachContext& context, const std::vector<int>& units) {
  std::int64_t bytes = 0;
  for (const int unit : units) bytes += flat_layout(context.model.units[unit]).bytes;
  return bytes;
}

at::ScalarType type_of(const Replica& replica, int unit) {
  return replica.parameters_of(unit).front()->spec->dtype;
}

}  // namespace

GradientBuckets::GradientBuckets(const AttachContext& context, Replica& replica, Settings settings)
    : settings_(std::move(settings)),
      exact_(context.numerics == Numerics::kExact),
      communicator_(context.communicator) {
  for (int unit = static_cast<int>(context.model.units.size()) - 1; unit >= 0; --unit) {
    if (replica.parameters_of(unit).empty()) continue;
    const std::vector<bool> objectives = reaching(context, replica, unit);
    if (buckets_.empty() || !fits(buckets_.back(), context, replica, unit, objectives)) {
      buckets_.emplace_back().objectives = objectives;
    }
    buckets_.back().units.push_back(unit);
  }
  allocate(context, replica);
  replica.on_gradient([this](const Replica::Parameter& parameter) { arrived(parameter); });
}

GradientBuckets::~GradientBuckets() = default;

bool GradientBuckets::fits(const Bucket& bucket, const AttachContext& context,
                           const Replica& replica, int unit,
                           const std::vector<bool>& objectives) const {
  return bucket.objectives == objectives &&
         bytes_of(context, bucket.units) < settings_.bucket_bytes &&
         type_of(replica, bucket.units.front()) == type_of(replica, unit);
}

void GradientBuckets::allocate(const AttachContext& context, Replica& replica) {
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    Bucket& bucket = buckets_[b];
    bucket.bytes = communicator_.allocate(bytes_of(context, bucket.units));
    std::int64_t offset = 0;
    for (const int unit : bucket.units) {
      const std::int64_t size = flat_layout(context.model.units[unit]).bytes;
      replica.bind_gradients(unit, bucket.bytes.narrow(0, offset, size),
                             Replica::First::kOverwrite);
      offset += size;
      for (Replica::Parameter* parameter : replica.parameters_of(unit)) {
        if (!parameter->spec->requires_grad) continue;
        bucket.parameters.push_back(parameter);
        bucket_of_[parameter] = b;
      }
    }
    bucket.values = bucket.bytes.view(type_of(replica, bucket.units.front()));
    if (exact_ && settings_.receives) bucket.sum = at::zeros_like(bucket.values);
  }
}

void GradientBuckets::begin_step(int objective) {
  const std::lock_guard lock(mutex_);
  objective_ = objective;
}

void GradientBuckets::before_backward(Backward which) {
  if (!reduces(which)) return;
  const std::lock_guard lock(mutex_);
  for (Bucket& bucket : buckets_) bucket.arrived = 0;
  next_ = 0;
  reducing_ = true;
}

void GradientBuckets::arrived(const Replica::Parameter& parameter) {
  const std::lock_guard lock(mutex_);
  if (!reducing_) return;
  ++buckets_[bucket_of_.at(&parameter)].arrived;
  issue_full_ones();
}

void GradientBuckets::hold(bool on) {
  const std::lock_guard lock(mutex_);
  held_ = on;
  if (reducing_ && !held_) issue_full_ones();
}

void GradientBuckets::issue_full_ones() {
  if (held_) return;
  for (; next_ < buckets_.size(); ++next_) {
    Bucket& bucket = buckets_[next_];
    if (!in_use(bucket)) continue;
    if (bucket.arrived < static_cast<std::int64_t>(bucket.parameters.size())) return;
    issue(bucket);
  }
}

/// The buckets that did not fill hold parameters which this backward did not reach.
void GradientBuckets::after_backward(Backward which) {
  if (!reduces(which)) return;
  {
    const std::lock_guard lock(mutex_);
    for (; next_ < buckets_.size(); ++next_) {
      if (in_use(buckets_[next_])) issue(buckets_[next_]);
    }
    reducing_ = false;
  }
  if (exact_) add_to_sum(which == Backward::kLastOfStep);
}

void GradientBuckets::issue(Bucket& bucket) {
  for (Replica::Parameter* parameter : bucket.parameters) {
    if (!parameter->stale) continue;
    c10::NoGradGuard no_grad;
    parameter->gradient.zero_();
    parameter->stale = false;
  }
  if (communicator_.world() > 1) bucket.work = settings_.reduce(bucket.values);
}

void GradientBuckets::wait() {
  const std::lock_guard lock(mutex_);
  for (Bucket& bucket : buckets_) {
    trainhost::wait(bucket.work);
    bucket.work.reset();
  }
}

/// Exact numerics: micro-batches are summed after their reduction, so in one order for every
/// strategy. The sum takes the place of the gradient after the last one.
void GradientBuckets::add_to_sum(bool last) {
  wait();
  const std::lock_guard lock(mutex_);
  c10::NoGradGuard no_grad;
  for (Bucket& bucket : buckets_) {
    if (!in_use(bucket)) continue;
    if (settings_.receives) bucket.sum.add_(bucket.values);
    if (last && settings_.receives) {
      bucket.values.copy_(bucket.sum);
      bucket.sum.zero_();
    } else {
      bucket.values.zero_();
    }
  }
}

}  // namespace trainhost
