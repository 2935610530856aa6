// Shards: what a rank holds of the model for good, and updates.
//
// Purpose: the rank's part of each bucket as slices of parameters with their optimizer states and
// masters. Where the values and gradients of a part lie is the strategy's business. Owner: a
// session; borrows what AttachContext refers to, replica and offload. Threads and ranks: the rank's
// thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <vector>

#include "offload.h"
#include "shard_layout.h"
#include "trainhost/optimized_slice.h"
#include "trainhost/replica.h"

namespace zero {

class Shards {
 public:
  using Part = std::function<at::Tensor(std::size_t bucket)>;

  /// `values`: this rank's part of a bucket's parameters, flat, where they stay.
  Shards(const trainhost::AttachContext& context, const std::vector<ShardLayout>& layouts,
         trainhost::Replica& replica, const Offload& offload, const Part& values);

  /// Updates what the objective touched. `gradient`: this rank's part of a bucket's gradients.
  /// `updated` is called after each bucket that the objective reaches, in the order of the model.
  /// [collective]
  trainhost::StepResult update(const trainhost::StepRequest& request, const Part& gradient,
                               const std::function<void(std::size_t bucket)>& updated);

  void append_state(bool for_loading, std::vector<trainhost::StateSlice>& out);

 private:
  struct Slice : trainhost::OptimizedSlice {
    const trainhost::Replica::Parameter* parameter = nullptr;  // of which it is a part
    std::int64_t place = 0;                                    // in the part of the bucket
  };
  struct Shard {
    std::vector<bool> objectives;
    std::deque<Slice> slices;  // deque: the addresses of its entries stay
  };

  std::vector<std::size_t> updated_by(int objective) const;
  /// The slices that got a gradient, with what of `part` belongs to them.
  static std::vector<trainhost::SliceGradient> touched(Shard& shard, const at::Tensor& part);
  Offload::Fetched fetch(std::size_t bucket, const trainhost::StepRequest& request,
                         const Part& gradient) const;

  const trainhost::AttachContext context_;
  const Offload& offload_;
  std::vector<Shard> shards_;
};

}  // namespace zero
