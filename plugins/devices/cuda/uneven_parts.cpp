#include "cuda/uneven_parts.h"

#include <algorithm>
#include <functional>

namespace cuda {
namespace {

/// One operation of those that `issue` makes, one for each rank that has a part.
Issued each_part(Wire& wire, const at::Tensor& all, Counts counts,
                 const std::function<void(const at::Tensor& part, int rank)>& issue) {
  return wire.together([&] {
    std::int64_t begin = 0;
    for (std::size_t rank = 0; rank < counts.size(); ++rank) {
      if (counts[rank] > 0) issue(all.narrow(0, begin, counts[rank]), static_cast<int>(rank));
      begin += counts[rank];
    }
  });
}

}  // namespace

bool all_equal(Counts counts) {
  return std::ranges::all_of(counts, [&](auto count) { return count == counts[0]; });
}

at::Tensor part_of(const at::Tensor& all, Counts counts, int rank) {
  const auto mine = static_cast<std::size_t>(rank);
  return all.narrow(0, offsets_of(counts)[mine], counts[mine]);
}

Issued reduce_parts(Wire& wire, const at::Tensor& all, Counts counts, trainhost::ReduceOp op) {
  return each_part(wire, all, counts,
                   [&](const at::Tensor& part, int to) { wire.reduce(part, to, op); });
}

Issued broadcast_parts(Wire& wire, const at::Tensor& all, Counts counts) {
  return each_part(wire, all, counts,
                   [&](const at::Tensor& part, int from) { wire.broadcast(part, from); });
}

}  // namespace cuda
