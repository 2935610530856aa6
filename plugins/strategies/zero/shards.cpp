#include "shards.h"

#include <c10/core/GradMode.h>

namespace zero {

using namespace trainhost;

Shards::Shards(const AttachContext& context, const std::vector<ShardLayout>& layouts,
               Replica& replica, const Part& values)
    : context_(context) {
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
    }
  }
}

StepResult Shards::update(const StepRequest& request, const Part& gradient,
                          const std::function<void(std::size_t bucket)>& updated) {
  c10::NoGradGuard no_grad;
  std::vector<std::vector<SliceGradient>> of_shard(shards_.size());
  std::vector<SliceGradient> all;
  for (std::size_t b = 0; b < shards_.size(); ++b) {
    if (!shards_[b].objectives[request.objective]) continue;
    const at::Tensor part = gradient(b);
    for (Slice& slice : shards_[b].slices) {
      if (!slice.parameter->touched) continue;
      of_shard[b].push_back({&slice, part.narrow(0, slice.place, slice.values.numel())});
    }
    all.insert(all.end(), of_shard[b].begin(), of_shard[b].end());
  }
  const Measured measured = measure(context_, all, request, Held::kSome);
  for (std::size_t b = shards_.size(); b-- > 0;) {
    if (!shards_[b].objectives[request.objective]) continue;
    step(context_, of_shard[b], request, measured);
    updated(b);
  }
  return measured.result;
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
