// Engine: the collectives of one rank over shared memory.
//
// Purpose: runs an Operation. Two ways: in place, where the tensors of all ranks lie in one shared
// buffer (each rank reads the others' memory itself), or through stages, in chunks that stay in the
// cache. The choice follows from what all ranks post, so all choose alike; the bits are the same
// either way, since every sum is formed in rank order by one rank or by all alike.
// Owner: a communicator. Threads and ranks: one thread at a time runs an operation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "shared_memory/buffers.h"
#include "shared_memory/group.h"
#include "shared_memory/operation.h"

namespace shared_memory {

class Engine {
 public:
  Engine(std::unique_ptr<Group> group, std::unique_ptr<Sharing> sharing);

  Group& group() { return *group_; }
  const std::shared_ptr<Buffers>& buffers() const { return buffers_; }

  /// Returns when this rank's result is there and its memory is its own again.  [collective]
  void run(const Operation& operation, bool worker);

  /// A shared buffer of `bytes` > 0, entered in buffers().  [collective]
  std::shared_ptr<const Buffer> allocate(std::int64_t bytes);

 private:
  static constexpr int kAll = -1;

  void dispatch(const Operation& operation);
  void all_reduce(const Operation& operation, int receiver);
  void reduce_in_place(const Operation& operation, int receiver);
  void one_shot(const Operation& operation, int receiver);
  void two_shot(const Operation& operation, int receiver);
  void reduce_scatter(const Operation& operation);
  void reduce_scatter_staged(const Operation& operation);
  void all_gather(const Operation& operation);
  void broadcast(const Operation& operation);
  void all_to_all(const Operation& operation);
  std::vector<std::int64_t> show_what_is_sent(const Operation& operation);

  /// write(c) fills this rank's stage with chunk c, read(c) uses the stages of all ranks (age 1);
  /// the next chunk is written before the last one is read, so there is one synchronisation a
  /// chunk.
  template <class Write, class Read>
  void pipeline(std::size_t stages, const Write& write, const Read& read) {
    write(0);
    group_->sync();
    for (std::size_t c = 1; c < stages; ++c) {
      write(c);
      read(c - 1);
      group_->sync();
    }
    if (stages > 0) read(stages - 1);
  }
  bool reachable(Place Post::*place, const Found& mine);
  bool is_small(std::size_t bytes) const;

  const std::unique_ptr<Group> group_;
  const std::unique_ptr<Sharing> sharing_;
  const std::shared_ptr<Buffers> buffers_;  // shared with the tensors made from them
  const int rank_, world_;
  std::uint64_t last_buffer_ = 0;

  // Of the operation under way.
  Found input_, output_;
  std::vector<std::byte*> at_;             // the tensor of each rank, in place
  std::vector<const std::byte*> sources_;  // what a kernel reads, by rank
};

}  // namespace shared_memory
