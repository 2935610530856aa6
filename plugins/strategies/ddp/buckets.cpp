#include "buckets.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include "trainhost/flat_layout.h"

namespace ddp {

using namespace trainhost;

namespace {

std::vector<bool> reaching(const AttachContext& context, const Replica& replica, int unit) {
  std::vector<bool> objectives;
  for (std::size_t o = 0; o < context.objectives.size(); ++o) {
    objectives.push_back(replica.used_by(static_cast<int>(o), unit));
  }
  return objectives;
}

}  // namespace

Buckets::Buckets(const AttachContext& context, Replica& replica, std::int64_t bucket_bytes)
    : communicator_(context.communicator) {
  const int units = static_cast<int>(context.model.units.size());
  for (int unit = units - 1; unit >= 0; --unit) {
    if (replica.parameters_of(unit).empty()) continue;
    const std::vector<bool> objectives = reaching(context, replica, unit);
    const auto type = replica.parameters_of(unit).front()->spec->dtype;
    bool fits = !buckets_.empty() && buckets_.back().objectives == objectives;
    if (fits) {
      std::int64_t bytes = 0;
      for (const int other : buckets_.back().units) {
        bytes += flat_layout(context.model.units[other]).bytes;
      }
      fits = bytes < bucket_bytes &&
             replica.parameters_of(buckets_.back().units[0]).front()->spec->dtype == type;
    }
    if (!fits) buckets_.emplace_back().objectives = objectives;
    buckets_.back().units.push_back(unit);
  }
  allocate(context, replica);
  replica.on_gradient([this](const Replica::Parameter& parameter) { arrived(parameter); });
}

Buckets::~Buckets() = default;

void Buckets::allocate(const AttachContext& context, Replica& replica) {
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    Bucket& bucket = buckets_[b];
    std::int64_t bytes = 0;
    for (const int unit : bucket.units) bytes += flat_layout(context.model.units[unit]).bytes;
    bucket.bytes = communicator_.allocate(bytes);
    std::int64_t offset = 0;
    for (const int unit : bucket.units) {
      const std::int64_t size = flat_layout(context.model.units[unit]).bytes;
      replica.bind_gradients(unit, bucket.bytes.narrow(0, offset, size));
      offset += size;
      for (Replica::Parameter* parameter : replica.parameters_of(unit)) {
        if (!parameter->spec->requires_grad) continue;
        ++bucket.expected;
        bucket_of_[parameter] = b;
      }
    }
    bucket.values = bucket.bytes.view(replica.parameters_of(bucket.units[0]).front()->spec->dtype);
    if (context.numerics == Numerics::kExact) bucket.sum = at::zeros_like(bucket.values);
  }
}

void Buckets::begin_step(int objective) {
  const std::lock_guard lock(mutex_);
  objective_ = objective;
}

void Buckets::reduce_as_they_fill() {
  const std::lock_guard lock(mutex_);
  for (Bucket& bucket : buckets_) bucket.arrived = 0;
  next_ = 0;
  reducing_ = true;
}

void Buckets::arrived(const Replica::Parameter& parameter) {
  const std::lock_guard lock(mutex_);
  if (!reducing_) return;
  ++buckets_[bucket_of_.at(&parameter)].arrived;
  issue_full_ones();
}

void Buckets::issue_full_ones() {
  for (; next_ < buckets_.size(); ++next_) {
    Bucket& bucket = buckets_[next_];
    if (!in_use(bucket)) continue;
    if (bucket.arrived < bucket.expected) return;
    issue(bucket);
  }
}

void Buckets::reduce_the_rest() {
  const std::lock_guard lock(mutex_);
  for (; next_ < buckets_.size(); ++next_) {
    if (in_use(buckets_[next_])) issue(buckets_[next_]);
  }
  reducing_ = false;
}

void Buckets::issue(Bucket& bucket) {
  if (communicator_.world() == 1) return;
  bucket.work = communicator_.all_reduce(bucket.values, ReduceOp::kSum, Traffic::kStrategy);
}

void Buckets::wait() {
  const std::lock_guard lock(mutex_);
  for (Bucket& bucket : buckets_) {
    trainhost::wait(bucket.work);
    bucket.work.reset();
  }
}

void Buckets::add_to_sum(bool last) {
  wait();
  const std::lock_guard lock(mutex_);
  c10::NoGradGuard no_grad;
  for (Bucket& bucket : buckets_) {
    if (!in_use(bucket)) continue;
    bucket.sum.add_(bucket.values);
    if (last) {
      bucket.values.copy_(bucket.sum);
      bucket.sum.zero_();
    } else {
      bucket.values.zero_();
    }
  }
}

}  // namespace ddp
