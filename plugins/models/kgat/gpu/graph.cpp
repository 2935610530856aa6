#include "gpu/graph.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <algorithm>

#include "trainhost/error.h"

namespace kgat::gpu {
namespace {

static_assert(sizeof(Block) == 3 * sizeof(std::int32_t));

/// Groups (head, relation) sorted by relation, in blocks of one relation, and each edge's group.
struct Queries {
  std::vector<std::int32_t> of_edge, heads, blocks;

  explicit Queries(const Graph& graph) : of_edge(graph.tails.size()) {
    for (const std::int32_t group : graph.by_relation) {
      const auto g = static_cast<std::size_t>(group);
      const auto place = static_cast<std::int32_t>(heads.size());
      std::fill(of_edge.begin() + graph.group_offsets[g],
                of_edge.begin() + graph.group_offsets[g + 1], place);
      const std::int32_t relation = graph.group_relation[g];
      const std::size_t size = blocks.size();
      if (size == 0 || blocks[size - 1] != relation || place - blocks[size - 3] == kTileRows) {
        blocks.insert(blocks.end(), {place, place, relation});
      }
      blocks[blocks.size() - 2] = place + 1;
      heads.push_back(graph.group_head[g]);
    }
  }
};

}  // namespace

void check(const char* failure, const char* operation, at::Device device) {
  if (failure == nullptr) return;
  throw trainhost::Error(trainhost::Failure::kDevice,
                         {.where = "kgat on " + device.str(),
                          .what = std::string("the kernel of '") + operation + "' failed",
                          .got = failure,
                          .fix = "model.kernels=aten takes LibTorch's operations instead; "
                                 "CUDA_LAUNCH_BLOCKING=1 shows whether an earlier kernel failed"});
}

DeviceGraph::DeviceGraph(const Table& table, std::shared_ptr<const Graph> graph, at::Device device)
    : table_(&table), graph_(std::move(graph)), device_(device) {
  const LongRows long_rows = LongRows::of(*graph_, Level::everything(*graph_));
  const Queries queries(*graph_);
  Packing packing;
  offsets_ = packing.add(graph_->offsets);
  tails_ = packing.add(graph_->tails);
  transposed_ = packing.add(graph_->transposed);
  query_of_ = packing.add(queries.of_edge);
  query_heads_ = packing.add(queries.heads);
  query_blocks_ = packing.add(queries.blocks);
  const Range rows = packing.add(long_rows.rows), first = packing.add(long_rows.first_segment),
              owner = packing.add(long_rows.segment_owner);
  packed_ = upload(packing.finish(false), device_);
  all_rows_.size = graph_->n_nodes;
  all_rows_.n_long = static_cast<std::int32_t>(rows.size);
  all_rows_.n_segments = static_cast<std::int32_t>(owner.size);
  all_rows_.long_rows = pointer(packed_, rows);
  all_rows_.first_segment = pointer(packed_, first);
  all_rows_.segment_owner = pointer(packed_, owner);
}

const Block* DeviceGraph::query_blocks() const {
  return reinterpret_cast<const Block*>(pointer(packed_, query_blocks_));
}

at::Tensor DeviceGraph::transposed(const at::Tensor& values) const {
  return values.index_select(0, packed_.narrow(0, transposed_.begin, transposed_.size));
}

DeviceBatch::DeviceBatch(const DeviceGraph& graph, const BatchPlan& plan)
    : n_samples(plan.batch), packed_(upload(plan.packed, graph.device())) {
  users = pointer(packed_, plan.users);
  positives = pointer(packed_, plan.positives);
  negatives = pointer(packed_, plan.negatives);
  offsets = pointer(packed_, plan.offsets);
  occurrences = pointer(packed_, plan.occurrences);
  const std::int32_t n_nodes = graph.graph().n_nodes;
  for (const LevelPlan& level : plan.levels) {
    if (level.all) {
      levels_.push_back(graph.all_rows());
      continue;
    }
    positions_.push_back(at::empty({n_nodes}, packed_.options()));
    auto* const positions = positions_.back().mutable_data_ptr<std::int32_t>();
    // An empty level has its list all the same: null would stand for all nodes.
    const std::int32_t* nodes = level.size > 0 ? pointer(packed_, level.nodes) : positions;
    check(graph.table().positions({nodes, level.size, n_nodes, positions}, graph.index()),
          "positions", graph.device());
    levels_.push_back({nodes, positions, level.size, level.n_long, level.n_segments,
                       pointer(packed_, level.long_rows), pointer(packed_, level.first_segment),
                       pointer(packed_, level.segment_owner)});
  }
}

}  // namespace kgat::gpu
