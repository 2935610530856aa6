// GradientShards: gradients that leave as they come, of which each rank keeps its part.
//
// Purpose: stages 2 and 3. Autograd's own tensors are gathered in one of two staging buffers once a
// bucket is complete, reduced and scattered from there, and this rank's part is added to its shard:
// no rank has a buffer for all gradients. Each micro-batch is reduced by itself, in its order, so
// fast and exact numerics are the same here. (Rajbhandari et al., "ZeRO", SC 2020, section 5.2.)
// Owner: a session; borrows replica, layouts and communicator. Threads and ranks: as
// GradientBuckets.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <vector>

#include "shard_layout.h"
#include "trainhost/bucket_arrivals.h"
#include "trainhost/replica.h"
#include "trainhost/strategy.h"

namespace zero {

class GradientShards {
 public:
  GradientShards(const trainhost::AttachContext& context, const std::vector<ShardLayout>& layouts,
                 trainhost::Replica& replica);

  void begin_step(int objective);
  void before_backward(trainhost::Backward which);
  void arrived(const trainhost::Replica::Parameter& parameter) { arrivals_.arrived(parameter); }
  void after_backward(trainhost::Backward which);  // [collective]
  void hold(bool on) { arrivals_.hold(on); }

  /// This rank's part of a bucket's gradients, summed over ranks and micro-batches.
  const at::Tensor& mine(std::size_t bucket) const { return shards_[bucket].sum; }

 private:
  struct Shard {
    at::Tensor sum;      // [this rank's count]
    bool fresh = false;  // nothing was added in this step
  };
  struct Staging {
    at::Tensor bytes;  // in the communicator's memory
    trainhost::WorkHandle work{};
    std::size_t bucket = 0;
    bool busy = false;
  };

  void issue(std::size_t bucket);
  /// The type in which the gradients of a bucket travel.
  at::ScalarType wire_dtype(const ShardLayout& layout) const;
  /// All of a bucket as it travels.
  at::Tensor values_of(const Staging& staging) const;
  void fill(const ShardLayout& layout, const at::Tensor& values);
  /// Adds to the shard what has been reduced.
  void finish(Staging& staging);
  at::Tensor part_of(const Staging& staging) const;

  trainhost::Communicator& communicator_;
  const trainhost::ModelSpec& model_;
  const std::optional<at::ScalarType> gradient_dtype_;
  const trainhost::Replica& replica_;
  const std::vector<ShardLayout>& layouts_;
  trainhost::BucketArrivals arrivals_;
  // State below is the rank's thread's between backwards, and under the lock of arrivals_ in them.
  std::vector<Shard> shards_;
  std::array<Staging, 2> staging_;
  std::size_t next_ = 0;  // the staging buffer whose turn it is
  int objective_ = 0;
};

}  // namespace zero
