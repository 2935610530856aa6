// Evaluation's ranking: dense scores of a block of users, then the best of each.
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "gpu/differentiable.h"
#include "gpu/tensors.h"

namespace kgat::gpu {
namespace {

/// The lists that one block of users needs on the device.
struct UserBlock {
  at::Tensor packed;
  Range nodes, mask_offsets, masked;

  UserBlock(const Graph& graph, std::span<const std::int32_t> users, const Interactions& known) {
    std::vector<std::int32_t> rows, offsets{0}, items;
    for (const std::int32_t user : users) {
      rows.push_back(graph.user_node(user));
      const auto mine = known.of(user);
      items.insert(items.end(), mine.begin(), mine.end());
      offsets.push_back(static_cast<std::int32_t>(items.size()));
    }
    Packing packing;
    nodes = packing.add(rows);
    mask_offsets = packing.add(offsets);
    masked = packing.add(items);
    packed = packing.finish(false);
  }
};

/// What the kernel found for a block of users, on the CPU.
struct Found {
  at::Tensor items, scores, counts;
};

Found rank_block(const DeviceGraph& graph, const at::Tensor& representations,
                 const UserBlock& block, std::int32_t top) {
  const WithoutAutocast guard;
  const std::int32_t n_items = graph.graph().n_items;
  const auto n_users = static_cast<std::int32_t>(block.nodes.size);
  const at::Tensor packed = upload(block.packed, graph.device());
  const at::Tensor users =
      representations.index_select(0, packed.narrow(0, block.nodes.begin, block.nodes.size));
  const at::Tensor scores = at::mm(users, representations.narrow(0, 0, n_items).t());
  const at::TensorOptions integers = packed.options();
  const Found found{at::empty({n_users, top}, integers), floats(graph.device(), {n_users, top}),
                    at::empty({n_users}, integers)};
  check(graph.table().rank_users(
            {n_users, n_items, top, mutable_data(scores), pointer(packed, block.mask_offsets),
             pointer(packed, block.masked), found.items.mutable_data_ptr<std::int32_t>(),
             mutable_data(found.scores), found.counts.mutable_data_ptr<std::int32_t>()},
            graph.index()),
        "rank_users", graph.device());
  return {found.items.cpu(), found.scores.cpu(), found.counts.cpu()};
}

}  // namespace

Ranker ranker(const DeviceGraph& graph, at::Tensor representations, std::int64_t score_bytes) {
  return [&graph, representations, score_bytes](std::span<const std::int32_t> users,
                                                const Interactions& known, std::int32_t top,
                                                const RankVisit& visit) {
    const std::int64_t row_bytes = std::max<std::int64_t>(graph.graph().n_items, 1) * 4;
    const auto block_size =
        static_cast<std::size_t>(std::max<std::int64_t>(score_bytes / row_bytes, 1));
    for (std::size_t begin = 0; begin < users.size(); begin += block_size) {
      const auto block = users.subspan(begin, std::min(block_size, users.size() - begin));
      const Found found =
          rank_block(graph, representations, UserBlock(graph.graph(), block, known), top);
      const auto* items = found.items.const_data_ptr<std::int32_t>();
      const auto* counts = found.counts.const_data_ptr<std::int32_t>();
      const float* scores = found.scores.const_data_ptr<float>();
      const auto size = static_cast<std::int64_t>(block.size());
#pragma omp parallel for schedule(static)
      for (std::int64_t u = 0; u < size; ++u) {
        const auto count = static_cast<std::size_t>(counts[u]);
        visit(begin + static_cast<std::size_t>(u), {items + u * top, count},
              {scores + u * top, count});
      }
    }
  };
}

}  // namespace kgat::gpu
