// GradientShards: gradients that leave as they come, of which each rank keeps its part.
//
// Purpose: stages 2 and 3. Once a bucket is complete, autograd's own tensors are copied piece by
// piece into one of two staging buffers, reduced and scattered from there, and this rank's part is
// added to its shard: no rank has a buffer for all gradients, nor for those of a large bucket. A
// piece is a run of each rank's part, so that all ranks have the same to sum. Each micro-batch is
// reduced by itself, in its order, so fast and exact numerics are the same here. (Rajbhandari et
// al., "ZeRO", SC 2020, section 5.2.) Owner: a session; borrows replica, layouts and communicator.
// Threads and ranks: as GradientBuckets.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <vector>

#include "host_memory.h"
#include "shard_layout.h"
#include "trainhost/bucket_arrivals.h"
#include "trainhost/replica.h"
#include "trainhost/strategy.h"

namespace zero {

class GradientShards {
 public:
  /// `host`: where the sums lie; null: on the device.
  GradientShards(const trainhost::AttachContext& context, const std::vector<ShardLayout>& layouts,
                 trainhost::Replica& replica, HostMemory* host);

  void begin_step(int objective);
  void before_backward(trainhost::Backward which);
  void arrived(const trainhost::Replica::Parameter& parameter) { arrivals_.arrived(parameter); }
  void after_backward(trainhost::Backward which);  // [collective]
  void hold(bool on) { arrivals_.hold(on); }
  /// What is under way is waited for and forgotten.
  void abandon();

  /// This rank's part of a bucket's gradients, summed over ranks and micro-batches.
  const at::Tensor& mine(std::size_t bucket) const { return shards_[bucket].sum; }

 private:
  struct Shard {
    at::Tensor sum;      // [this rank's count]
    bool fresh = false;  // nothing was issued in this step
  };
  struct Staging {
    at::Tensor bytes;  // in the communicator's memory
    trainhost::WorkHandle work{};
    std::size_t bucket = 0;
    std::int64_t begin = 0;              // of the piece, in each rank's part
    std::vector<std::int64_t> counts{};  // of the piece, by rank
    bool fresh = false;                  // nothing was added to the shard before
    at::Tensor mine{};                   // this rank's, in `bytes` or in the shard
    bool summed = false;                 // into the shard
    bool busy = false;
  };

  void issue(std::size_t bucket);
  void issue_piece(std::size_t bucket, std::int64_t begin, std::int64_t most);
  /// The type in which the gradients of a bucket travel.
  at::ScalarType wire_dtype(const ShardLayout& layout) const;
  /// How many fit into a staging buffer for each rank.
  std::int64_t elements_of_a_rank(std::int64_t bytes, at::ScalarType type) const;
  void make_contiguous(const ShardLayout& layout);
  void fill(const ShardLayout& layout, int rank, std::int64_t begin, const at::Tensor& place);
  /// Adds to the shard what has been reduced.
  void finish(Staging& staging);

  trainhost::Communicator& communicator_;
  const trainhost::ModelSpec& model_;
  const std::optional<at::ScalarType> gradient_dtype_;
  // A first sum goes straight into the shard. Exact numerics add it to zero: all strategies then
  // have the same sign of zero.
  const bool direct_;
  const trainhost::Replica& replica_;
  const std::vector<ShardLayout>& layouts_;
  trainhost::BucketArrivals arrivals_;
  // State below is the rank's thread's between backwards, and under the lock of arrivals_ in them.
  std::vector<Shard> shards_;
  std::array<Staging, 2> staging_;
  std::size_t next_ = 0;  // the staging buffer whose turn it is
  int objective_ = 0;
};

/// The type in which the gradients of a bucket travel. `gradient_dtype`: AttachContext's.
at::ScalarType wire_dtype(const ShardLayout& layout, std::optional<at::ScalarType> gradient_dtype,
                          int world);

/// Of each of the two buffers: the largest bucket's, or some megabytes.
std::int64_t staging_bytes(const std::vector<ShardLayout>& layouts,
                           std::optional<at::ScalarType> gradient_dtype, int world);

}  // namespace zero
