#include "claims.h"

#include <algorithm>

#include "shard_layout.h"
#include "trainhost/flat_layout.h"

namespace zero {
namespace {

using namespace trainhost;

std::int64_t element_size(at::ScalarType type) {
  return static_cast<std::int64_t>(c10::elementSize(type));
}

/// Of the elements of one rank in a bucket: the optimizer's states and masters, in bytes.
std::int64_t optimizer_bytes(const ModelSpec& model, const ShardLayout& layout, int rank,
                             std::int64_t states) {
  const auto objectives = std::ranges::count(layout.bucket.objectives, true);
  const std::int64_t masters = layout.bucket.dtype == at::kFloat ? 0 : 4;
  std::int64_t elements = 0;
  for (const Piece& piece : pieces_of(model, layout, rank)) elements += piece.count;
  return elements * (4 * states * objectives + masters);
}

std::int64_t padding_of(const ModelSpec& model, const ShardLayout& layout) {
  std::int64_t padding = 0;
  for (const int unit : layout.bucket.units) padding += flat_layout(model.units[unit]).padding;
  return padding;
}

}  // namespace

Claims claims_of(const Settings& settings, const ModelSpec& model,
                 const std::vector<ObjectiveSpec>& objectives, const Optimizer& optimizer,
                 int world) {
  const auto states = static_cast<std::int64_t>(optimizer.states().size());
  const bool sharded_gradients = settings.stage >= 2, sharded_parameters = settings.stage == 3;
  Claims claims;
  claims.traffic.assign(objectives.size(), 0);
  std::vector<std::int64_t> optimizer_of(world), part_of(world);
  std::int64_t largest = 0, largest_gathered = 0;
  for (const ShardLayout& layout : shard_layouts(model, objectives, settings.bucket_bytes, world)) {
    const std::int64_t bytes = layout.bucket.bytes;
    const std::int64_t size = element_size(layout.bucket.dtype);
    const bool resident =
        !sharded_parameters || layout.elements() < settings.resident_parameters || world == 1;
    const std::int64_t largest_part = std::ranges::max(layout.counts) * size;
    claims.parameters += resident ? bytes : largest_part;
    claims.padding += padding_of(model, layout);
    if (!sharded_gradients) claims.gradients += bytes;
    for (int rank = 0; rank < world; ++rank) {
      optimizer_of[rank] += optimizer_bytes(model, layout, rank, states);
      part_of[rank] += layout.counts[rank] * size;
    }
    largest = std::max(largest, bytes);
    if (!resident) largest_gathered = std::max(largest_gathered, bytes);
    // Out of N parts a rank sends N - 1 when it reduces, and its own N - 1 times when it gathers.
    const std::int64_t once = bytes * (world - 1) / world;
    for (std::size_t o = 0; o < objectives.size(); ++o) {
      if (layout.bucket.objectives[o]) claims.traffic[o] += once * (resident ? 2 : 3);
    }
  }
  claims.optimizer = std::ranges::max(optimizer_of);
  if (sharded_gradients) {
    claims.gradients = std::ranges::max(part_of);
    // Two staging buffers, and the tensors of autograd from which they are filled.
    claims.transient = 3 * largest;
  }
  claims.transient += largest_gathered;
  return claims;
}

}  // namespace zero
