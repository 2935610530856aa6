#include "shared_memory/collectives.h"

#include <algorithm>
#include <utility>

#include "shared_memory/chunks.h"
#include "shared_memory/kernels.h"

namespace shared_memory {
namespace {

/// Ends the operation that the group has begun, also when it throws.
struct Running {
  Group& group;
  ~Running() { group.end(); }
};

/// Up to here one stage and one synchronisation beat looking at who lies in shared memory.
constexpr std::size_t kSmallBytes = std::size_t{64} << 10;
/// From here a result that is written apart from its summands goes past the caches, which would
/// have to fetch its lines only to overwrite them. In place it is the other way round: the lines
/// are there already, and streaming made an all_reduce of 16 MiB three times slower.
constexpr std::size_t kStreamBytes = std::size_t{8} << 20;

}  // namespace

Engine::Engine(std::unique_ptr<Group> group, std::unique_ptr<Sharing> sharing)
    : group_(std::move(group)),
      sharing_(std::move(sharing)),
      buffers_(std::make_shared<Buffers>()),
      rank_(group_->rank()),
      world_(group_->world()),
      at_(static_cast<std::size_t>(world_)),
      sources_(static_cast<std::size_t>(world_)) {}

bool Engine::is_small(std::size_t bytes) const {
  return bytes <= kSmallBytes &&
         (world_ == 2 || bytes * static_cast<std::size_t>(world_) <= 2 * kSmallBytes);
}

void Engine::run(const Operation& operation, bool worker) {
  group_->wait_as_worker(worker);
  input_ = output_ = {};
  if (!is_small(operation.bytes())) {
    const Kind kind = operation.what.kind;
    const bool has_input = operation.input != nullptr;
    const std::size_t input_bytes =
        kind == Kind::kAllGather
            ? bytes_of(operation.counts[static_cast<std::size_t>(rank_)], operation)
            : operation.bytes();
    if (has_input) input_ = buffers_->find(operation.input, input_bytes);
    if (kind != Kind::kReduceScatter && kind != Kind::kAllToAll) {
      output_ = buffers_->find(operation.output, operation.bytes());
    }
  }
  const Running running{*group_};
  group_->begin(operation, input_.place, output_.place);
  dispatch(operation);
}

void Engine::dispatch(const Operation& operation) {
  switch (operation.what.kind) {
    case Kind::kAllReduce:
      return all_reduce(operation, kAll);
    case Kind::kReduce:
      return all_reduce(operation, operation.what.root);
    case Kind::kReduceScatter:
      return reduce_scatter(operation);
    case Kind::kAllGather:
      return all_gather(operation);
    case Kind::kBroadcast:
      return broadcast(operation);
    case Kind::kAllToAll:
      return all_to_all(operation);
    case Kind::kBarrier:
    case Kind::kAllocate:
      return group_->sync();
  }
}

std::shared_ptr<const Buffer> Engine::allocate(std::int64_t bytes) {
  Operation operation;
  operation.what = {.kind = Kind::kAllocate, .count = bytes};
  group_->wait_as_worker(false);
  const Running running{*group_};
  group_->begin(operation, {}, {});
  auto buffer = std::make_shared<Buffer>();
  buffer->id = ++last_buffer_;
  buffer->ranks = sharing_->exchange(*group_, static_cast<std::size_t>(bytes));
  buffers_->add(buffer, rank_);
  return buffer;
}

/// Whether this tensor lies in the same buffer on every rank; at_ then holds where.
bool Engine::reachable(Place Post::*place, const Found& mine) {
  if (mine.buffer == nullptr) return false;
  for (int r = 0; r < world_; ++r) {
    const Place& theirs = group_->post(r).*place;
    if (theirs.buffer != mine.buffer->id) return false;
    const auto at = static_cast<std::size_t>(r);
    at_[at] = mine.buffer->ranks[at]->data() + theirs.offset;
  }
  return true;
}

void Engine::all_reduce(const Operation& operation, int receiver) {
  if (is_small(operation.bytes())) return one_shot(operation, receiver);
  group_->sync();
  if (reachable(&Post::output, output_)) return reduce_in_place(operation, receiver);
  // With two ranks a part reduced by the other one travels as far as its summands.
  if (world_ == 2) return one_shot(operation, receiver);
  two_shot(operation, receiver);
}

/// Each rank reduces its part of all ranks' memory and writes it to all (or to the receiver).
void Engine::reduce_in_place(const Operation& operation, int receiver) {
  const Range part = part_of(operation.bytes(), rank_, world_);
  for (std::byte*& at : at_) at += part.begin;
  std::ranges::copy(at_, sources_.begin());
  const bool to_all = receiver == kAll;
  kernels()(operation.what.element, operation.what.reduction,
            {.destinations = to_all ? at_.data() : &at_[static_cast<std::size_t>(receiver)],
             .destination_count = to_all ? at_.size() : 1,
             .sources = sources_.data(),
             .source_count = sources_.size(),
             .count = part.size() / size_of(operation.what.element),
             .stream = false});
  group_->sync();
}

/// Every receiver reduces all of every chunk.
void Engine::one_shot(const Operation& operation, int receiver) {
  const std::size_t bytes = operation.bytes();
  const bool receives = receiver == kAll || receiver == rank_;
  const auto write = [&](std::size_t c) {
    const Range chunk = chunk_of(bytes, c, kStageBytes);
    copy_bytes(group_->stage(rank_, 0), operation.output + chunk.begin, chunk.size());
  };
  const auto read = [&](std::size_t c) {
    if (!receives) return;
    const Range chunk = chunk_of(bytes, c, kStageBytes);
    std::byte* own = operation.output + chunk.begin;
    for (int r = 0; r < world_; ++r) {
      sources_[static_cast<std::size_t>(r)] = r == rank_ ? own : group_->stage(r, 1);
    }
    kernels()(operation.what.element, operation.what.reduction,
              {.destinations = &own,
               .destination_count = 1,
               .sources = sources_.data(),
               .source_count = sources_.size(),
               .count = chunk.size() / size_of(operation.what.element),
               .stream = false});
  };
  pipeline(stages_for(bytes, kStageBytes), write, read);
}

/// Each rank reduces its part of every chunk, and the receivers collect the parts. Three chunks are
/// under way: one is written, one is reduced, one is collected, at one synchronisation a chunk.
void Engine::two_shot(const Operation& operation, int receiver) {
  const std::size_t bytes = operation.bytes();
  const std::size_t chunks = stages_for(bytes, kStageBytes);
  const bool receives = receiver == kAll || receiver == rank_;
  const auto reduce = [&](std::size_t c) {
    const Range chunk = chunk_of(bytes, c, kStageBytes);
    const Range part = part_of(chunk.size(), rank_, world_);
    for (int r = 0; r < world_; ++r) {
      sources_[static_cast<std::size_t>(r)] = group_->stage(r, 1) + part.begin;
    }
    std::byte* const destinations[] = {group_->stage(rank_, 1) + part.begin,
                                       operation.output + chunk.begin + part.begin};
    kernels()(operation.what.element, operation.what.reduction,
              {.destinations = destinations,
               .destination_count = receives ? 2u : 1u,
               .sources = sources_.data(),
               .source_count = sources_.size(),
               .count = part.size() / size_of(operation.what.element),
               .stream = false});
  };
  const auto collect = [&](std::size_t c) {
    const Range chunk = chunk_of(bytes, c, kStageBytes);
    for (int i = 1; receives && i < world_; ++i) {
      const int r = (rank_ + i) % world_;
      const Range part = part_of(chunk.size(), r, world_);
      copy_bytes(operation.output + chunk.begin + part.begin, group_->stage(r, 2) + part.begin,
                 part.size());
    }
  };
  for (std::size_t c = 0; c < chunks + 2; ++c) {
    if (c < chunks) {
      const Range chunk = chunk_of(bytes, c, kStageBytes);
      copy_bytes(group_->stage(rank_, 0), operation.output + chunk.begin, chunk.size());
    }
    if (c >= 1 && c <= chunks) reduce(c - 1);
    if (c >= 2) collect(c - 2);
    if (c <= chunks) group_->sync();
  }
}

void Engine::reduce_scatter(const Operation& operation) {
  if (!is_small(operation.bytes())) {
    group_->sync();
    if (reachable(&Post::input, input_)) {
      const std::size_t begin = offset_of(operation.counts, rank_, operation);
      const bool in_place = operation.output == operation.input + begin;
      for (std::size_t r = 0; r < at_.size(); ++r) sources_[r] = at_[r] + begin;
      kernels()(
          operation.what.element, operation.what.reduction,
          {.destinations = &operation.output,
           .destination_count = 1,
           .sources = sources_.data(),
           .source_count = sources_.size(),
           .count = static_cast<std::size_t>(operation.counts[static_cast<std::size_t>(rank_)]),
           .stream = !in_place && operation.bytes() >= kStreamBytes});
      return group_->sync();
    }
  }
  reduce_scatter_staged(operation);
}

/// A stage is split among the receivers; a rank's own part is read where it lies.
void Engine::reduce_scatter_staged(const Operation& operation) {
  const std::size_t share = kStageBytes / static_cast<std::size_t>(world_) / 64 * 64;
  const auto write = [&](std::size_t c) {
    std::size_t begin = 0;
    for (int r = 0; r < world_; ++r) {
      const std::size_t bytes = bytes_of(operation.counts[static_cast<std::size_t>(r)], operation);
      const Range chunk = chunk_of(bytes, c, share);
      if (r != rank_) {
        copy_bytes(group_->stage(rank_, 0) + static_cast<std::size_t>(r) * share,
                   operation.input + begin + chunk.begin, chunk.size());
      }
      begin += bytes;
    }
  };
  const std::size_t own_begin = offset_of(operation.counts, rank_, operation);
  const std::size_t own_bytes =
      bytes_of(operation.counts[static_cast<std::size_t>(rank_)], operation);
  const auto read = [&](std::size_t c) {
    const Range chunk = chunk_of(own_bytes, c, share);
    for (int r = 0; r < world_; ++r) {
      sources_[static_cast<std::size_t>(r)] =
          r == rank_ ? operation.input + own_begin + chunk.begin
                     : group_->stage(r, 1) + static_cast<std::size_t>(rank_) * share;
    }
    std::byte* const destination = operation.output + chunk.begin;
    kernels()(operation.what.element, operation.what.reduction,
              {.destinations = &destination,
               .destination_count = 1,
               .sources = sources_.data(),
               .source_count = sources_.size(),
               .count = chunk.size() / size_of(operation.what.element),
               .stream = false});
  };
  pipeline(stages_for(largest(operation.counts, operation), share), write, read);
}

void Engine::all_gather(const Operation& operation) {
  const auto own = static_cast<std::size_t>(rank_);
  std::byte* const own_part = operation.output + offset_of(operation.counts, rank_, operation);
  copy_bytes(own_part, operation.input, bytes_of(operation.counts[own], operation));
  const auto for_others = [&](const auto& copy_part) {
    for (int i = 1; i < world_; ++i) {
      const int r = (rank_ + i) % world_;
      copy_part(static_cast<std::size_t>(r), offset_of(operation.counts, r, operation),
                bytes_of(operation.counts[static_cast<std::size_t>(r)], operation));
    }
  };
  if (!is_small(operation.bytes())) {
    group_->sync();
    const bool outputs = reachable(&Post::output, output_);
    if (outputs || reachable(&Post::input, input_)) {
      for_others([&](std::size_t r, std::size_t begin, std::size_t bytes) {
        copy_bytes(operation.output + begin, at_[r] + (outputs ? begin : 0), bytes);
      });
      return group_->sync();
    }
  }
  const auto write = [&](std::size_t c) {
    const Range chunk = chunk_of(bytes_of(operation.counts[own], operation), c, kStageBytes);
    copy_bytes(group_->stage(rank_, 0), own_part + chunk.begin, chunk.size());
  };
  const auto read = [&](std::size_t c) {
    for_others([&](std::size_t r, std::size_t begin, std::size_t bytes) {
      const Range chunk = chunk_of(bytes, c, kStageBytes);
      copy_bytes(operation.output + begin + chunk.begin, group_->stage(static_cast<int>(r), 1),
                 chunk.size());
    });
  };
  pipeline(stages_for(largest(operation.counts, operation), kStageBytes), write, read);
}

void Engine::broadcast(const Operation& operation) {
  const int root = operation.what.root;
  const std::size_t bytes = operation.bytes();
  if (!is_small(bytes)) {
    group_->sync();
    if (reachable(&Post::output, output_)) {
      if (rank_ != root) copy_bytes(operation.output, at_[static_cast<std::size_t>(root)], bytes);
      return group_->sync();
    }
  }
  const auto write = [&](std::size_t c) {
    const Range chunk = chunk_of(bytes, c, kStageBytes);
    if (rank_ == root)
      copy_bytes(group_->stage(rank_, 0), operation.output + chunk.begin, chunk.size());
  };
  const auto read = [&](std::size_t c) {
    const Range chunk = chunk_of(bytes, c, kStageBytes);
    if (rank_ != root)
      copy_bytes(operation.output + chunk.begin, group_->stage(root, 1), chunk.size());
  };
  pipeline(stages_for(bytes, kStageBytes), write, read);
}

}  // namespace shared_memory
