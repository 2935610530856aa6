#include "trainhost/bucket_arrivals.h"

#include <utility>

namespace trainhost {

BucketArrivals::BucketArrivals(const std::vector<BucketLayout>& layouts, const Replica& replica,
                               Issue issue)
    : issue_(std::move(issue)) {
  for (const BucketLayout& layout : layouts) {
    Bucket& bucket = buckets_.emplace_back();
    bucket.objectives = layout.objectives;
    for (const int unit : layout.units) {
      for (Replica::Parameter* parameter : replica.parameters_of(unit)) {
        if (!parameter->spec->requires_grad) continue;
        bucket.parameters.push_back(parameter);
        bucket_of_[parameter] = buckets_.size() - 1;
      }
    }
  }
}

void BucketArrivals::begin(int objective) {
  const std::lock_guard lock(mutex_);
  for (Bucket& bucket : buckets_) bucket.arrived = 0;
  objective_ = objective;
  next_ = 0;
  reducing_ = true;
}

void BucketArrivals::arrived(const Replica::Parameter& parameter) {
  const std::lock_guard lock(mutex_);
  if (!reducing_) return;
  ++buckets_[bucket_of_.at(&parameter)].arrived;
  issue_until(false);
}

void BucketArrivals::hold(bool on) {
  const std::lock_guard lock(mutex_);
  held_ = on;
  if (reducing_) issue_until(false);
}

void BucketArrivals::end() {
  const std::lock_guard lock(mutex_);
  issue_until(true);
  reducing_ = false;
}

void BucketArrivals::abandon() {
  const std::lock_guard lock(mutex_);
  reducing_ = held_ = false;
}

void BucketArrivals::issue_until(bool all) {
  if (held_) return;
  for (; next_ < buckets_.size(); ++next_) {
    if (!in_use(next_, objective_)) continue;
    if (!all && buckets_[next_].arrived < buckets_[next_].parameters.size()) return;
    issue_(next_);
  }
}

}  // namespace trainhost
