#include "shared_memory/buffers.h"

#include <algorithm>
#include <utility>

#include "trainhost/error.h"

namespace shared_memory {
namespace {

using trainhost::Error;

/// Runs `make`; a rank that cannot have the memory tells the others before they wait for it.
template <class Make>
auto or_tell_others(Group& group, const Make& make) {
  try {
    return make();
  } catch (const Error& error) {
    const Error::Text& text = error.text();
    group.fail(error.failure(), text.what, text.expected, text.got, text.fix);
  }
}

class ProcessSharing final : public Sharing {
 public:
  std::vector<std::shared_ptr<Mapping>> exchange(Group& group, std::size_t bytes) override {
    std::vector<std::shared_ptr<Mapping>> memory(static_cast<std::size_t>(group.world()));
    const Descriptor own = or_tell_others(group, [&] { return make_memory_file(bytes); });
    group.slot(group.rank()).file = own.get();
    group.sync();
    for (int r = 0; r < group.world(); ++r) {
      memory[static_cast<std::size_t>(r)] = or_tell_others(group, [&] {
        if (r == group.rank()) return Mapping::of_file(own, bytes);
        return Mapping::of_file(open_file_of(group.slot(r).pid, group.slot(r).file), bytes);
      });
    }
    group.sync();  // all have opened all files: they may be closed
    return memory;
  }
};

class ThreadSharing final : public Sharing {
 public:
  explicit ThreadSharing(std::shared_ptr<Board> board) : board_(std::move(board)) {}

  std::vector<std::shared_ptr<Mapping>> exchange(Group& group, std::size_t bytes) override {
    board_->entry(group.rank()) = or_tell_others(group, [&] { return Mapping::anonymous(bytes); });
    group.sync();
    std::vector<std::shared_ptr<Mapping>> memory;
    for (int r = 0; r < group.world(); ++r) memory.push_back(board_->entry(r));
    group.sync();  // all have read all entries
    board_->entry(group.rank()).reset();
    return memory;
  }

 private:
  std::shared_ptr<Board> board_;  // shared by the ends of all ranks
};

}  // namespace

void Buffers::add(std::shared_ptr<const Buffer> buffer, int rank) {
  const Mapping& own = *buffer->ranks[static_cast<std::size_t>(rank)];
  const std::lock_guard lock(mutex_);
  entries_.push_back({own.data(), own.data() + own.bytes(), std::move(buffer)});
}

void Buffers::remove(std::uint64_t id) {
  std::shared_ptr<const Buffer> last;  // unmaps after the lock is gone
  const std::lock_guard lock(mutex_);
  const auto entry = std::ranges::find_if(
      entries_, [&](const Entry& candidate) { return candidate.buffer->id == id; });
  if (entry == entries_.end()) return;
  last = std::move(entry->buffer);
  entries_.erase(entry);
}

Found Buffers::find(const std::byte* at, std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (at >= entry.begin && at + bytes <= entry.end) {
      return {entry.buffer.get(), {entry.buffer->id, at - entry.begin}};
    }
  }
  return {};
}

std::unique_ptr<Sharing> process_sharing() { return std::make_unique<ProcessSharing>(); }

std::unique_ptr<Sharing> thread_sharing(std::shared_ptr<Board> board) {
  return std::make_unique<ThreadSharing>(std::move(board));
}

}  // namespace shared_memory
