#include "gradient_shards.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "gradient_slice.h"

namespace zero {

using namespace trainhost;

namespace {

std::vector<BucketLayout> buckets_of(const std::vector<ShardLayout>& layouts) {
  std::vector<BucketLayout> out;
  for (const ShardLayout& layout : layouts) out.push_back(layout.bucket);
  return out;
}

}  // namespace

GradientShards::GradientShards(const AttachContext& context,
                               const std::vector<ShardLayout>& layouts, Replica& replica,
                               HostMemory* host)
    : communicator_(context.communicator),
      model_(context.model),
      gradient_dtype_(context.gradient_dtype),
      direct_(context.numerics == Numerics::kFast && host == nullptr),
      replica_(replica),
      layouts_(layouts),
      arrivals_(buckets_of(layouts), replica, [this](std::size_t bucket) { issue(bucket); }) {
  const auto options = at::TensorOptions().device(context.device.device());
  for (const ShardLayout& layout : layouts) {
    const std::int64_t count = layout.counts[communicator_.rank()];
    const at::ScalarType type = layout.bucket.dtype;
    shards_.push_back(
        {host == nullptr ? at::empty({count}, options.dtype(type)) : host->allocate(count, type)});
  }
  const std::int64_t bytes = staging_bytes(layouts, gradient_dtype_, communicator_.world());
  for (Staging& staging : staging_) staging.bytes = communicator_.allocate(bytes);
}

void GradientShards::begin_step(int objective) {
  objective_ = objective;
  for (Shard& shard : shards_) shard.fresh = true;
}

void GradientShards::before_backward(Backward which) {
  if (which != Backward::kPart) arrivals_.begin(objective_);
}

void GradientShards::after_backward(Backward which) {
  if (which == Backward::kPart) return;
  arrivals_.end();
  // In the order of issue, like all sums.
  finish(staging_[next_]);
  finish(staging_[1 - next_]);
}

void GradientShards::abandon() {
  arrivals_.abandon();
  for (Staging& staging : staging_) {
    if (!std::exchange(staging.busy, false)) continue;
    wait(staging.work);
    staging.work.reset();
  }
}

void GradientShards::issue(std::size_t bucket) {
  c10::NoGradGuard no_grad;
  const ShardLayout& layout = layouts_[bucket];
  make_contiguous(layout);
  const std::int64_t step = elements_of_a_rank(staging_[0].bytes.numel(), wire_dtype(layout));
  const std::int64_t most = std::ranges::max(layout.counts);
  for (std::int64_t begin = 0; begin < most; begin += step) issue_piece(bucket, begin, step);
  for (const int unit : layout.bucket.units) {
    for (const Replica::Parameter* parameter : replica_.parameters_of(unit)) {
      parameter->leaf.mutable_grad() = at::Tensor();
    }
  }
  shards_[bucket].fresh = false;
}

/// [begin, begin + most) of each rank's part of a bucket.
void GradientShards::issue_piece(std::size_t bucket, std::int64_t begin, std::int64_t most) {
  Staging& staging = staging_[next_];
  next_ = 1 - next_;
  finish(staging);
  const ShardLayout& layout = layouts_[bucket];
  staging.bucket = bucket;
  staging.begin = begin;
  staging.fresh = shards_[bucket].fresh;
  staging.summed = false;
  staging.busy = true;
  std::int64_t all = 0;
  staging.counts.clear();
  for (const std::int64_t count : layout.counts) {
    staging.counts.push_back(std::clamp<std::int64_t>(count - begin, 0, most));
    all += staging.counts.back();
  }
  const at::Tensor values = staging.bytes.view(wire_dtype(layout)).narrow(0, 0, all);
  std::int64_t place = 0;
  for (int rank = 0; rank < communicator_.world(); ++rank) {
    const std::int64_t count = staging.counts[rank];
    const at::Tensor part = values.narrow(0, place, count);
    fill(layout, rank, begin, part);
    if (rank == communicator_.rank()) staging.mine = part;
    place += count;
  }
  at::Tensor& sum = shards_[bucket].sum;
  if (direct_ && staging.fresh && sum.scalar_type() == values.scalar_type()) {
    staging.mine = sum.narrow(0, std::min(begin, sum.numel()), staging.mine.numel());
    staging.summed = true;
  }
  staging.work = communicator_.reduce_scatter(staging.mine, values, staging.counts, ReduceOp::kSum,
                                              Traffic::kStrategy);
}

std::int64_t GradientShards::elements_of_a_rank(std::int64_t bytes, at::ScalarType type) const {
  return bytes / static_cast<std::int64_t>(c10::elementSize(type)) / communicator_.world();
}

at::ScalarType GradientShards::wire_dtype(const ShardLayout& layout) const {
  return zero::wire_dtype(layout, gradient_dtype_, communicator_.world());
}

/// Contiguous, so that any part of it can be copied.
void GradientShards::make_contiguous(const ShardLayout& layout) {
  for (const int unit : layout.bucket.units) {
    for (const Replica::Parameter* parameter : replica_.parameters_of(unit)) {
      at::Tensor& made = parameter->leaf.mutable_grad();
      if (made.defined() && !made.is_sparse()) made = made.contiguous();
    }
  }
}

/// `place` := the gradients of this rank's part of the bucket from `begin` on. What only aligns
/// stays as it is.
void GradientShards::fill(const ShardLayout& layout, int rank, std::int64_t begin,
                          const at::Tensor& place) {
  const std::int64_t end = begin + place.numel();
  for (const Piece& piece : pieces_of(model_, layout, rank)) {
    const std::int64_t from = std::max(begin, piece.place);
    const std::int64_t to = std::min(end, piece.place + piece.count);
    if (from >= to) continue;
    const at::Tensor part = place.narrow(0, from - begin, to - from);
    const Replica::Parameter& parameter = *replica_.parameters_of(piece.unit)[piece.parameter];
    const at::Tensor& made = parameter.leaf.grad();
    if (made.defined()) {
      copy_slice(made, piece.offset + from - piece.place, part);
    } else {
      part.zero_();
    }
  }
}

void GradientShards::finish(Staging& staging) {
  if (!staging.busy) return;
  staging.busy = false;
  wait(staging.work);
  staging.work.reset();
  c10::NoGradGuard no_grad;
  if (staging.summed || staging.mine.numel() == 0) return;
  at::Tensor sum = shards_[staging.bucket].sum.narrow(0, staging.begin, staging.mine.numel());
  if (staging.fresh) {
    // Zero is added also the first time: a copy would keep a sum's negative zeros.
    at::add_out(sum, staging.mine, at::scalar_tensor(0, staging.mine.scalar_type()));
  } else {
    sum.add_(staging.mine);
  }
}

at::ScalarType wire_dtype(const ShardLayout& layout, std::optional<at::ScalarType> gradient_dtype,
                          int world) {
  const bool full = layout.bucket.dtype == at::kFloat && world > 1;
  return full ? gradient_dtype.value_or(at::kFloat) : layout.bucket.dtype;
}

std::int64_t staging_bytes(const std::vector<ShardLayout>& layouts,
                           std::optional<at::ScalarType> gradient_dtype, int world) {
  constexpr std::int64_t kMost = std::int64_t{8} << 20;
  std::int64_t largest = 0;
  for (const ShardLayout& layout : layouts) {
    const auto size =
        static_cast<std::int64_t>(c10::elementSize(wire_dtype(layout, gradient_dtype, world)));
    largest = std::max(largest, std::ranges::max(layout.counts) * size * world);
  }
  const std::int64_t granularity = std::int64_t{64} * world;
  return std::min(largest + granularity - 1, kMost) / granularity * granularity;
}

}  // namespace zero
