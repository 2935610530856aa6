#include "shard_layout.h"

#include <algorithm>

#include "trainhost/optimizer.h"

namespace zero {
namespace {

using namespace trainhost;

/// A parameter in a bucket.
struct Range {
  int unit, parameter;
  std::int64_t begin, count;  // elements of the bucket
};

std::vector<Range> ranges_of(const ModelSpec& model, const BucketLayout& bucket) {
  const auto size = static_cast<std::int64_t>(c10::elementSize(bucket.dtype));
  std::vector<Range> out;
  for (std::size_t u = 0; u < bucket.units.size(); ++u) {
    const UnitSpec& unit = model.units[bucket.units[u]];
    const FlatLayout layout = flat_layout(unit);
    for (std::size_t p = 0; p < unit.parameters.size(); ++p) {
      out.push_back({bucket.units[u], static_cast<int>(p),
                     (bucket.offsets[u] + layout.offsets[p]) / size,
                     element_count(unit.parameters[p].shape)});
    }
  }
  return out;
}

/// The place nearest to `ideal` where a cut may fall.
std::int64_t nearest_cut(const std::vector<Range>& ranges, std::int64_t total, std::int64_t ideal) {
  constexpr std::int64_t kBlock = Optimizer::kNormBlock;
  std::int64_t before = 0, after = total;
  for (const Range& range : ranges) {
    if (range.begin <= ideal) {
      before = range.begin;
      if (range.count > kBlock) {
        const std::int64_t blocks = (std::min(ideal, range.begin + range.count - 1) - range.begin);
        before += blocks / kBlock * kBlock;
      }
      after = before + kBlock < range.begin + range.count ? before + kBlock : total;
    } else {
      after = std::min(after, range.begin);
      break;
    }
  }
  return ideal - before <= after - ideal ? before : after;
}

}  // namespace

std::vector<ShardLayout> shard_layouts(const ModelSpec& model,
                                       const std::vector<ObjectiveSpec>& objectives,
                                       std::int64_t bucket_bytes, int world) {
  std::vector<ShardLayout> out;
  for (BucketLayout& bucket : bucket_layouts(model, objectives, bucket_bytes)) {
    const std::vector<Range> ranges = ranges_of(model, bucket);
    const std::int64_t total =
        bucket.bytes / static_cast<std::int64_t>(c10::elementSize(bucket.dtype));
    ShardLayout& layout = out.emplace_back();
    layout.bucket = std::move(bucket);
    std::int64_t begin = 0;
    for (int rank = 0; rank < world; ++rank) {
      const std::int64_t end =
          rank + 1 == world
              ? total
              : std::max(begin, nearest_cut(ranges, total, total * (rank + 1) / world));
      layout.begins.push_back(begin);
      layout.counts.push_back(end - begin);
      begin = end;
    }
  }
  return out;
}

std::vector<Piece> pieces_of(const ModelSpec& model, const ShardLayout& layout, int rank) {
  const std::int64_t begin = layout.begins[rank], end = begin + layout.counts[rank];
  std::vector<Piece> out;
  for (const Range& range : ranges_of(model, layout.bucket)) {
    const std::int64_t from = std::max(begin, range.begin);
    const std::int64_t to = std::min(end, range.begin + range.count);
    if (from >= to) continue;
    out.push_back({range.unit, range.parameter, from - range.begin, to - from, from - begin});
  }
  return out;
}

}  // namespace zero
