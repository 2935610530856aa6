// GradientBuckets: the gradients of consecutive units in one flat buffer, reduced when all are
// there.
//
// Purpose: overlaps the reduction with the rest of backward (Li et al., "PyTorch Distributed", VLDB
// 2020, section 3.2). Buckets are formed in the reverse of the model's order, in which gradients
// arrive, and never mix units of different objectives, so that an objective reduces only what it
// touches. A building block, not a contract (link trainhost::blocks). Owner: a StrategySession;
// borrows replica and communicator. Threads and ranks: gradient hooks may run on autograd's
// threads. Collectives are issued in bucket order whatever order gradients arrive in, so all ranks
// agree.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "trainhost/replica.h"
#include "trainhost/strategy.h"

namespace trainhost {

class GradientBuckets {
 public:
  /// Sums a bucket [n] over the ranks in place.  [collective]
  using Reduce = std::function<WorkHandle(const at::Tensor& values)>;

  struct Settings {
    std::int64_t bucket_bytes = 0;
    Reduce reduce;
    /// False where `reduce` leaves nothing of use on this rank (a reduction to another one).
    bool receives = true;
  };

  GradientBuckets(const AttachContext& context, Replica& replica, Settings settings);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// What a session calls from its functions of the same name.
  void begin_step(int objective);
  void before_backward(Backward which);
  void after_backward(Backward which);  // [collective]
  void hold(bool on);
  /// Until the reduction is done.  [collective]
  void wait();

 private:
  struct Bucket {
    std::vector<int> units;
    std::vector<bool> objectives;  // which objectives reach it
    at::Tensor bytes;              // the gradients, from the communicator
    at::Tensor values;             // the same memory in the parameters' type
    at::Tensor sum;                // exact numerics: the micro-batches reduced so far
    std::vector<Replica::Parameter*> parameters;  // that have a gradient
    std::int64_t arrived = 0;                     // in this backward
    WorkHandle work;
  };

  bool fits(const Bucket& bucket, const AttachContext& context, const Replica& replica, int unit,
            const std::vector<bool>& objectives) const;
  void allocate(const AttachContext& context, Replica& replica);
  void arrived(const Replica::Parameter& parameter);
  void issue_full_ones();
  void issue(Bucket& bucket);
  void add_to_sum(bool last);
  bool reduces(Backward which) const {
    return exact_ ? which != Backward::kPart : which == Backward::kLastOfStep;
  }
  bool in_use(const Bucket& bucket) const { return bucket.objectives[objective_]; }

  const Settings settings_;
  const bool exact_;
  Communicator& communicator_;
  std::map<const Replica::Parameter*, std::size_t> bucket_of_;

  std::mutex mutex_;
  // State below is protected by mutex_.
  std::vector<Bucket> buckets_;
  int objective_ = 0;
  bool reducing_ = false;
  bool held_ = false;
  std::size_t next_ = 0;  // the first bucket not issued yet
};

}  // namespace trainhost
