// GradientBuckets: the gradients of consecutive units in one flat buffer, reduced when all are
// there.
//
// Purpose: overlaps the reduction with the rest of backward (Li et al., "PyTorch Distributed", VLDB
// 2020, section 3.2). A building block, not a contract (link trainhost::blocks). Owner: a
// StrategySession; borrows replica and communicator. Threads and ranks: gradient hooks may run on
// autograd's threads; collectives are issued in the order of buckets on all ranks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "trainhost/bucket_arrivals.h"
#include "trainhost/bucket_layout.h"
#include "trainhost/replica.h"
#include "trainhost/strategy.h"

namespace trainhost {

class GradientBuckets {
 public:
  /// Sums a bucket's values [n] over the ranks in place; under AttachContext::gradient_dtype these
  /// are a 16-bit copy of the gradients. `bucket`: its place in bucket_layouts.
  /// [collective]
  using Reduce = std::function<WorkHandle(std::size_t bucket, const at::Tensor& values)>;

  struct Settings {
    std::int64_t bucket_bytes = 0;
    Reduce reduce;
    /// The part of a bucket's values that `reduce` leaves on this rank: a flat view of them,
    /// undefined where there is none. Default: all of them.
    std::function<at::Tensor(std::size_t bucket, const at::Tensor& values)> mine{};
  };

  GradientBuckets(const AttachContext& context, Replica& replica, const Settings& settings);
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// What a session calls from its functions of the same name.
  void begin_step(int objective) { objective_ = objective; }
  void before_backward(Backward which);
  void after_backward(Backward which);  // [collective]
  void hold(bool on) { arrivals_.hold(on); }
  /// Until the reduction is done.  [collective]
  void wait();
  /// For StrategySession::abandon_step, with Replica::abandon.
  void abandon();

  /// What of a bucket's gradients this rank gets.
  const at::Tensor& mine(std::size_t bucket) const { return buckets_[bucket].mine; }

 private:
  struct Bucket {
    at::Tensor values;           // the gradients, in the communicator's memory
    at::Tensor mine;             // what of them this rank gets
    at::Tensor sum;              // exact numerics: of `mine`, the micro-batches reduced so far
    at::Tensor wire, wire_mine;  // 16-bit gradients: what travels in the place of values and mine
    bool under_way = false;
    WorkHandle work;
  };

  void add_bucket(const BucketLayout& layout, const Settings& settings);
  void issue(std::size_t index);
  void add_to_sum(bool last);
  bool reduces(Backward which) const {
    return exact_ ? which != Backward::kPart : which == Backward::kLastOfStep;
  }

  const Reduce reduce_;
  const bool exact_;
  const std::optional<at::ScalarType> wire_dtype_;
  Communicator& communicator_;
  Replica& replica_;
  BucketArrivals arrivals_;
  // State below is the rank's thread's between backwards, and under the lock of arrivals_ in them.
  std::vector<Bucket> buckets_;
  int objective_ = 0;
};

}  // namespace trainhost
