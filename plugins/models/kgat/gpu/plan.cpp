#include "gpu/plan.h"

#include <algorithm>
#include <numeric>

#include "gpu/kernels.h"

namespace kgat::gpu {
namespace {

/// Occurrences of each key in [0, n_keys), in the order of the keys' list.
struct Occurrences {
  std::vector<std::int32_t> offsets, places;

  Occurrences(std::span<const std::int32_t> keys, std::int32_t n_keys)
      : offsets(static_cast<std::size_t>(n_keys) + 1, 0), places(keys.size()) {
    for (const std::int32_t key : keys) ++offsets[static_cast<std::size_t>(key) + 1];
    std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
    std::vector<std::int32_t> next(offsets.begin(), offsets.end() - 1);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      auto& place = next[static_cast<std::size_t>(keys[i])];
      places[static_cast<std::size_t>(place++)] = static_cast<std::int32_t>(i);
    }
  }
};

LevelPlan pack_level(const Graph& graph, const Level& level, Packing& packing) {
  LevelPlan out;
  out.all = level.all;
  out.size = level.size;
  if (level.all) return out;  // its long rows are the graph's, on the device already
  const LongRows rows = LongRows::of(graph, level);
  out.nodes = packing.add(level.rows);
  out.n_long = static_cast<std::int32_t>(rows.rows.size());
  out.n_segments = static_cast<std::int32_t>(rows.segment_owner.size());
  out.long_rows = packing.add(rows.rows);
  out.first_segment = packing.add(rows.first_segment);
  out.segment_owner = packing.add(rows.segment_owner);
  return out;
}

std::vector<std::int32_t> interleaved(std::span<const std::int32_t> a,
                                      std::span<const std::int32_t> b,
                                      std::span<const std::int32_t> c) {
  std::vector<std::int32_t> out;
  out.reserve(3 * a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out.insert(out.end(), {a[i], b[i], c[i]});
  return out;
}

/// Blocks of at most `most` rows, each within a run of samples of one relation; three rows a
/// sample. `starts` receives the first block of each relation.
std::vector<std::int32_t> blocks_of(const std::vector<std::int32_t>& bounds, std::int32_t most,
                                    std::vector<std::int32_t>* starts) {
  std::vector<std::int32_t> out;
  for (std::size_t relation = 0; relation + 1 < bounds.size(); ++relation) {
    if (starts != nullptr) starts->push_back(static_cast<std::int32_t>(out.size() / 3));
    const std::int32_t end = 3 * bounds[relation + 1];
    for (std::int32_t begin = 3 * bounds[relation]; begin < end; begin += most) {
      out.insert(out.end(),
                 {begin, std::min(begin + most, end), static_cast<std::int32_t>(relation)});
    }
  }
  if (starts != nullptr) starts->push_back(static_cast<std::int32_t>(out.size() / 3));
  return out;
}

std::vector<std::int32_t> taken(const std::vector<std::int32_t>& values,
                                const std::vector<std::int32_t>& order) {
  std::vector<std::int32_t> out;
  out.reserve(order.size());
  for (const std::int32_t i : order) out.push_back(values[static_cast<std::size_t>(i)]);
  return out;
}

}  // namespace

LongRows LongRows::of(const Graph& graph, const Level& level) {
  LongRows out;
  out.first_segment.push_back(0);
  for (std::int32_t row = 0; row < level.size; ++row) {
    const std::int32_t degree = graph.degree(level.node(row));
    if (degree <= kSegment) continue;
    const std::int32_t segments = (degree + kSegment - 1) / kSegment;
    out.segment_owner.insert(out.segment_owner.end(), static_cast<std::size_t>(segments),
                             static_cast<std::int32_t>(out.rows.size()));
    out.rows.push_back(row);
    out.first_segment.push_back(static_cast<std::int32_t>(out.segment_owner.size()));
  }
  return out;
}

BatchPlan BatchPlan::make(const Graph& graph, const Frontier& frontier, const CfRows* batch,
                          bool pinned) {
  BatchPlan out;
  Packing packing;
  for (const auto& level : frontier.levels) {
    out.levels.push_back(pack_level(graph, *level, packing));
  }
  if (batch != nullptr) {
    out.batch = static_cast<std::int32_t>(batch->users.size());
    out.users = packing.add(batch->users);
    out.positives = packing.add(batch->positives);
    out.negatives = packing.add(batch->negatives);
    const Occurrences met(interleaved(batch->users, batch->positives, batch->negatives),
                          frontier.batch().size);
    out.offsets = packing.add(met.offsets);
    out.occurrences = packing.add(met.places);
  }
  out.packed = packing.finish(pinned);
  return out;
}

KgPlan KgPlan::make(const KgBatch& batch, std::int32_t n_relations, bool pinned) {
  static_assert(kPieceRows % 3 == 0);
  KgPlan out;
  out.batch = static_cast<std::int32_t>(batch.heads.size());
  const Occurrences sorted(batch.relations, n_relations);
  const auto& order = sorted.places;
  const std::vector<std::int32_t> nodes = interleaved(
      taken(batch.heads, order), taken(batch.positives, order), taken(batch.negatives, order));

  std::vector<std::int32_t> distinct = nodes;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<std::int32_t> rows;
  rows.reserve(nodes.size());
  for (const std::int32_t node : nodes) {
    rows.push_back(static_cast<std::int32_t>(
        std::lower_bound(distinct.begin(), distinct.end(), node) - distinct.begin()));
  }
  out.n_distinct = static_cast<std::int32_t>(distinct.size());
  const Occurrences met(rows, out.n_distinct);

  std::vector<std::int32_t> first_piece;
  const auto blocks = blocks_of(sorted.offsets, kTileRows, nullptr);
  const auto pieces = blocks_of(sorted.offsets, kPieceRows, &first_piece);
  out.n_blocks = static_cast<std::int32_t>(blocks.size() / 3);
  out.n_pieces = static_cast<std::int32_t>(pieces.size() / 3);
  Packing packing;
  out.nodes = packing.add(nodes);
  out.relation_of = packing.add(taken(batch.relations, order));
  out.blocks = packing.add(blocks);
  out.pieces = packing.add(pieces);
  out.first_piece = packing.add(first_piece);
  out.distinct = packing.add(distinct);
  out.offsets = packing.add(met.offsets);
  out.occurrences = packing.add(met.places);
  out.packed = packing.finish(pinned);
  return out;
}

}  // namespace kgat::gpu
