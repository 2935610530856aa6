// What the kernels need to know of a batch beforehand, worked out on a loader thread: levels and
// their long rows, who meets whom, and the batch of triples sorted by relation.
#pragma once

#include "frontier.h"
#include "gpu/packing.h"
#include "kernels/losses.h"

namespace kgat::gpu {

/// Rows of more than kSegment edges, and how they are cut (kernels.h's Rows).
struct LongRows {
  std::vector<std::int32_t> rows, first_segment, segment_owner;

  static LongRows of(const Graph& graph, const Level& level);
};

struct LevelPlan {
  bool all = false;
  std::int32_t size = 0, n_long = 0, n_segments = 0;
  Range nodes, long_rows, first_segment, segment_owner;
};

/// Purpose: a frontier and the CF batch on it, packed. Owner: owns its tensor.
/// Threads: immutable after it was made.
struct BatchPlan {
  at::Tensor packed;
  std::vector<LevelPlan> levels;  // [n_layers + 1]
  std::int32_t batch = 0;         // samples
  Range users, positives, negatives, offsets, occurrences;

  /// `batch` may be null: a frontier alone.
  static BatchPlan make(const Graph& graph, const Frontier& frontier, const CfRows* batch,
                        bool pinned);
};

/// Purpose: a batch of triples sorted by relation, packed. Owner, threads: as above.
struct KgPlan {
  at::Tensor packed;
  std::int32_t batch = 0, n_blocks = 0, n_pieces = 0, n_distinct = 0;
  Range nodes;                 // [3 batch] head, positive, negative of each sample
  Range relation_of;           // [batch]
  Range blocks;                // [3 n_blocks] Block
  Range pieces;                // [3 n_pieces] Block
  Range first_piece;           // [n_relations + 1]
  Range distinct;              // [n_distinct] nodes, ascending
  Range offsets, occurrences;  // of the distinct nodes in `nodes`

  static KgPlan make(const KgBatch& batch, std::int32_t n_relations, bool pinned);
};

}  // namespace kgat::gpu
