// Memory that several ranks see: memory files (memfd) and the mappings of them.
//
// Purpose: pages shared by processes without a name in any file system, so nothing is left behind
// when a rank is killed. Owner: a Descriptor closes, a Mapping unmaps. Threads and ranks: values;
// not shared without care of the holder.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

namespace shared_memory {

/// An open file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() noexcept;

 private:
  int fd_ = -1;
};

/// A mapped range of pages, readable and writable.
class Mapping {
 public:
  Mapping(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

  /// Maps the first `bytes` of a memory file. Errors: Failure::kDevice.
  static std::shared_ptr<Mapping> of_file(const Descriptor& file, std::size_t bytes);
  /// Zeroed pages of this process alone. Errors: Failure::kDevice.
  static std::shared_ptr<Mapping> anonymous(std::size_t bytes);

 private:
  std::byte* data_;
  std::size_t bytes_;
};

/// A zeroed memory file whose pages exist already: a machine short of memory says so here, by an
/// Error (Failure::kDevice), and not by SIGBUS at the first store.
Descriptor make_memory_file(std::size_t bytes);

/// The file that process `pid` holds open as `fd`. Errors: Failure::kDevice.
Descriptor open_file_of(pid_t pid, int fd);

}  // namespace shared_memory
