#include "shards.h"

#include <c10/core/GradMode.h>

#include <utility>

namespace zero {

using namespace trainhost;

Shards::Shards(const AttachContext& context, const std::vector<ShardLayout>& layouts,
               Replica& replica, const Offload& offload, const Part& values)
    : context_(context), offload_(offload) {
  const int rank = context.communicator.rank();
  for (std::size_t b = 0; b < layouts.size(); ++b) {
    Shard& shard = shards_.emplace_back();
    shard.objectives = layouts[b].bucket.objectives;
    const at::Tensor part = values(b);
    for (const Piece& piece : pieces_of(context.model, layouts[b], rank)) {
      const Replica::Parameter& parameter = *replica.parameters_of(piece.unit)[piece.parameter];
      Slice& slice = shard.slices.emplace_back();
      slice.parameter = &parameter;
      slice.place = piece.place;
      slice.name = parameter.name;
      slice.spec = parameter.spec;
      slice.unit = parameter.unit;
      slice.group = parameter.group;
      slice.offset = piece.offset;
      slice.values = part.narrow(0, piece.place, piece.count);
      slice.histories.resize(context.objectives.size());
      slice.memory = offload.optimizer();
    }
  }
}

StepResult Shards::update(const StepRequest& request, const Part& gradient,
                          const std::function<void(std::size_t bucket)>& updated) {
  c10::NoGradGuard no_grad;
  const std::vector<std::size_t> order = updated_by(request.objective);
  std::vector<SliceGradient> all;
  for (const std::size_t b : order) {
    const std::vector<SliceGradient> some = touched(shards_[b], gradient(b));
    all.insert(all.end(), some.begin(), some.end());
  }
  const Measured measured = measure(context_, all, request, Held::kSome);
  Offload::Fetched next;
  if (!order.empty()) next = fetch(order.front(), request, gradient);
  for (std::size_t i = 0; i < order.size(); ++i) {
    Offload::Fetched present = std::exchange(next, Offload::Fetched());
    if (i + 1 < order.size()) next = fetch(order[i + 1], request, gradient);
    step(context_, touched(shards_[order[i]], present.wait()), request, measured);
    updated(order[i]);
  }
  return measured.result;
}

/// In the order of the model, in which the next forward wants them.
std::vector<std::size_t> Shards::updated_by(int objective) const {
  std::vector<std::size_t> out;
  for (std::size_t b = shards_.size(); b-- > 0;) {
    if (shards_[b].objectives[objective]) out.push_back(b);
  }
  return out;
}

std::vector<SliceGradient> Shards::touched(Shard& shard, const at::Tensor& part) {
  std::vector<SliceGradient> out;
  for (Slice& slice : shard.slices) {
    if (!slice.parameter->touched) continue;
    out.push_back({&slice, part.narrow(0, slice.place, slice.values.numel())});
  }
  return out;
}

Offload::Fetched Shards::fetch(std::size_t bucket, const StepRequest& request,
                               const Part& gradient) const {
  for (const Slice& slice : shards_[bucket].slices) offload_.will_need(slice, request.objective);
  return offload_.fetch(gradient(bucket));
}

void Shards::append_state(bool for_loading, std::vector<StateSlice>& out) {
  for (Shard& shard : shards_) {
    for (Slice& slice : shard.slices) {
      out.push_back(
          {"parameter/" + slice.name, slice.spec->shape, slice.offset, slice.values, false});
      append_optimizer_state(context_, slice, for_loading, Held::kSome, out);
    }
  }
}

}  // namespace zero
