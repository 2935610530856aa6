// ShardLayout: how the flat parameters of a bucket are cut among the ranks.
//
// Purpose: one cut for parameters, gradients and optimizer states, so that a rank updates what it
// has reduced. Each rank gets one run of elements; a cut falls on the beginning of a parameter or
// on a multiple of Optimizer::kNormBlock elements of it, so that updates and norms have the bits of
// the whole. Ranks may differ by some thousand elements, and have none of a small bucket.
// Threads and ranks: pure functions, the same on all ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "trainhost/bucket_layout.h"

namespace zero {

/// The part of a parameter that a rank has.
struct Piece {
  int unit = 0, parameter = 0;  ///< its place in the unit
  std::int64_t offset = 0;      ///< elements, in the flattened parameter
  std::int64_t count = 0;
  std::int64_t place = 0;  ///< elements, in this rank's part of the bucket
};

struct ShardLayout {
  trainhost::BucketLayout bucket;
  std::vector<std::int64_t> counts, begins;  ///< elements of the bucket, for each rank

  std::int64_t elements() const { return begins.back() + counts.back(); }
};

std::vector<ShardLayout> shard_layouts(const trainhost::ModelSpec& model,
                                       const std::vector<trainhost::ObjectiveSpec>& objectives,
                                       std::int64_t bucket_bytes, int world);

/// What of the parameters lies in the part of this rank, in its order.
std::vector<Piece> pieces_of(const trainhost::ModelSpec& model, const ShardLayout& layout,
                             int rank);

}  // namespace zero
