// all_to_all: the one collective whose sizes differ by pair of ranks.
#include <span>
#include <string>
#include <vector>

#include "shared_memory/chunks.h"
#include "shared_memory/collectives.h"
#include "trainhost/error.h"

namespace shared_memory {

/// The ranks show each other what they send: only then do all know the number of chunks, and each
/// rank that its own view of the sizes is the senders'. Returns elements by sender, then receiver.
std::vector<std::int64_t> Engine::show_what_is_sent(const Operation& operation) {
  const auto own = static_cast<std::size_t>(rank_), world = static_cast<std::size_t>(world_);
  const std::size_t row = world * sizeof(std::int64_t);
  copy_bytes(group_->stage(rank_, 0),
             reinterpret_cast<const std::byte*>(operation.sent_counts.data()), row);
  group_->sync();
  std::vector<std::int64_t> sent(world * world);
  for (std::size_t r = 0; r < world; ++r) {
    copy_bytes(reinterpret_cast<std::byte*>(&sent[r * world]),
               group_->stage(static_cast<int>(r), 1), row);
    if (sent[r * world + own] == operation.counts[r]) continue;
    group_->fail(trainhost::Failure::kRun, "the ranks disagree on what is sent",
                 std::to_string(operation.counts[r]) + " elements from rank " + std::to_string(r),
                 std::to_string(sent[r * world + own]) + " elements");
  }
  return sent;
}

void Engine::all_to_all(const Operation& operation) {
  const auto own = static_cast<std::size_t>(rank_), world = static_cast<std::size_t>(world_);
  const std::vector<std::int64_t> sent = show_what_is_sent(operation);
  /// Calls do_part(rank, offset, bytes) for every other rank's part of a vector.
  const auto for_others = [&](std::span<const std::int64_t> counts, const auto& do_part) {
    for (int r = 0; r < world_; ++r) {
      if (r == rank_) continue;
      do_part(static_cast<std::size_t>(r), offset_of(counts, r, operation),
              bytes_of(counts[static_cast<std::size_t>(r)], operation));
    }
  };
  copy_bytes(operation.output + offset_of(operation.counts, rank_, operation),
             operation.input + offset_of(operation.sent_counts, rank_, operation),
             bytes_of(operation.counts[own], operation));
  if (reachable(&Post::input, input_)) {
    for_others(operation.counts, [&](std::size_t r, std::size_t begin, std::size_t bytes) {
      const auto row = std::span<const std::int64_t>(sent).subspan(r * world, world);
      copy_bytes(operation.output + begin, at_[r] + offset_of(row, rank_, operation), bytes);
    });
    return group_->sync();
  }
  const std::size_t share = kStageBytes / world / 64 * 64;
  const auto write = [&](std::size_t c) {
    for_others(operation.sent_counts, [&](std::size_t r, std::size_t begin, std::size_t bytes) {
      const Range chunk = chunk_of(bytes, c, share);
      copy_bytes(group_->stage(rank_, 0) + r * share, operation.input + begin + chunk.begin,
                 chunk.size());
    });
  };
  const auto read = [&](std::size_t c) {
    for_others(operation.counts, [&](std::size_t r, std::size_t begin, std::size_t bytes) {
      const Range chunk = chunk_of(bytes, c, share);
      copy_bytes(operation.output + begin + chunk.begin,
                 group_->stage(static_cast<int>(r), 1) + own * share, chunk.size());
    });
  };
  pipeline(stages_for(largest(sent, operation), share), write, read);
}

}  // namespace shared_memory
