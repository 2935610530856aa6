// Buckets: the gradients of consecutive units in one flat buffer, reduced as soon as all are there.
//
// Purpose: overlaps the all-reduce with the rest of backward. Buckets are formed in the reverse of
// the model's order, in which gradients arrive, and never mix units of different objectives, so
// that an objective reduces only what it touches. Owner: the session; borrows replica and
// communicator. Threads and ranks: gradient hooks may run on autograd's threads. Collectives are
// issued in bucket order whatever order gradients arrive in, so all ranks agree.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "trainhost/replica.h"
#include "trainhost/strategy.h"

namespace ddp {

class Buckets {
 public:
  Buckets(const trainhost::AttachContext& context, trainhost::Replica& replica,
          std::int64_t bucket_bytes);
  ~Buckets();
  Buckets(const Buckets&) = delete;
  Buckets& operator=(const Buckets&) = delete;

  void begin_step(int objective);
  int objective() const { return objective_; }
  /// From here on a full bucket is reduced at once; before, gradients only accumulate (no_sync).
  void reduce_as_they_fill();
  /// Reduces the buckets that did not fill: parameters that this backward did not reach.
  /// [collective]
  void reduce_the_rest();
  /// Exact numerics: waits, and adds the reduced micro-batch to the sum of the step, which takes
  /// the place of the gradient after the last one.
  void add_to_sum(bool last);
  void wait();

 private:
  struct Bucket {
    std::vector<int> units;
    std::vector<bool> objectives;  // which objectives reach it
    at::Tensor bytes;              // the gradients, from the communicator
    at::Tensor values;             // the same memory in the parameters' type
    at::Tensor sum;                // exact numerics: the micro-batches reduced so far
    std::int64_t expected = 0;     // gradients
    std::int64_t arrived = 0;      // in this backward
    trainhost::WorkHandle work;
  };

  void allocate(const trainhost::AttachContext& context, trainhost::Replica& replica);
  void arrived(const trainhost::Replica::Parameter& parameter);
  void issue_full_ones();
  void issue(Bucket& bucket);
  bool in_use(const Bucket& bucket) const { return bucket.objectives[objective_]; }

  trainhost::Communicator& communicator_;
  std::map<const trainhost::Replica::Parameter*, std::size_t> bucket_of_;

  std::mutex mutex_;
  // State below is protected by mutex_.
  std::vector<Bucket> buckets_;
  int objective_ = 0;
  bool reducing_ = false;
  std::size_t next_ = 0;  // the first bucket not issued yet
};

}  // namespace ddp
