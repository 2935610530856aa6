// Buffers: the shared memory that a group's flat buffers live in.
//
// Purpose: tells whether a tensor lies in memory that every rank can reach, and where. Owner: an
// Engine and every tensor made from a buffer. Threads and ranks: Buffers from any thread (a tensor
// may be freed anywhere); Sharing from the thread that runs the collective.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "shared_memory/group.h"
#include "shared_memory/mapping.h"

namespace shared_memory {

/// The memory of all ranks behind one buffer; `ranks[r]` is rank r's. The pages live until the last
/// rank has let go of them.
struct Buffer {
  std::uint64_t id = 0;
  std::vector<std::shared_ptr<Mapping>> ranks;
};

/// Where a tensor lies: `buffer` is null outside all buffers.
struct Found {
  const Buffer* buffer = nullptr;
  Place place{};
};

class Buffers {
 public:
  void add(std::shared_ptr<const Buffer> buffer, int rank);
  void remove(std::uint64_t id);
  /// The buffer that holds all of [at, at + bytes). It stays while a tensor in it does.
  Found find(const std::byte* at, std::size_t bytes) const;

 private:
  struct Entry {
    const std::byte* begin;
    const std::byte* end;
    std::shared_ptr<const Buffer> buffer;
  };
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;  // a handful: one for each flat buffer of a strategy
};

/// How ranks get at each other's pages.
class Sharing {
 public:
  virtual ~Sharing() = default;
  /// Makes `bytes` of zeroed memory on each rank and returns all ranks' memory.  [collective]
  virtual std::vector<std::shared_ptr<Mapping>> exchange(Group& group, std::size_t bytes) = 0;
};

/// Ranks that are processes: memory files, opened through /proc.
std::unique_ptr<Sharing> process_sharing();

/// Ranks that are threads: anonymous memory, passed on through a board that all ends share.
class Board {
 public:
  explicit Board(int world) : memory_(static_cast<std::size_t>(world)) {}
  /// Each rank writes its own entry before a synchronisation and reads all after it.
  std::shared_ptr<Mapping>& entry(int rank) { return memory_[static_cast<std::size_t>(rank)]; }

 private:
  std::vector<std::shared_ptr<Mapping>> memory_;
};
std::unique_ptr<Sharing> thread_sharing(std::shared_ptr<Board> board);

}  // namespace shared_memory
