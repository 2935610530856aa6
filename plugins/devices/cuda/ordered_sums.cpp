#include "cuda/ordered_sums.h"

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>

#include <vector>

#include "cuda/rank_order.h"

namespace cuda {

bool must_be_ordered(const GroupPlace& place, const Description& what) {
  const bool narrow = what.type == at::kHalf || what.type == at::kBFloat16;
  return what.op == trainhost::ReduceOp::kSum && place.world > 2 &&
         (place.rank_order_sums || narrow);
}

at::Tensor own_sum_in_order(Group& group, const at::Tensor& input, Counts counts,
                            const Description& what) {
  const c10::DeviceGuard guard(group.place().device);
  const int world = group.place().world;
  const std::int64_t mine = counts[static_cast<std::size_t>(group.place().rank)];
  const std::vector<std::int64_t> received(static_cast<std::size_t>(world), mine);
  const at::Tensor parts = at::empty({mine * world}, input.options());
  group.wait(group.issue(what.text() + ", in rank order", [&](Wire& wire) {
    return wire.all_to_all(parts, input, received, counts);
  }));
  std::vector<at::Tensor> by_rank;
  for (int rank = 0; rank < world; ++rank) by_rank.push_back(parts.narrow(0, rank * mine, mine));
  return reduce_in_rank_order(by_rank, what.op);
}

}  // namespace cuda
