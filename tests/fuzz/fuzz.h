// What the fuzz targets share. A target is one file that defines LLVMFuzzerTestOneInput: it hands
// the bytes to a reader, which must end with a value or with trainhost::Error. Anything else (a
// crash, another exception, a leak, a broken promise) ends the program.
//
// Threads: one.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "trainhost/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace trainhost::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program when a reader breaks a promise of its header.
inline void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// Runs a reader: true where it took the input, false where it refused it as its header says.
template <class Reader>
bool accepts(Reader reader) {
  try {
    reader();
    return true;
  } catch (const Error& error) {
    promise(!error.text().what.empty(), "an error says what is wrong");
    return false;
  }
}

/// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : fd_(::memfd_create("fuzz", 0)) {
    promise(fd_ >= 0, "memfd_create works here");
    for (std::size_t done = 0; done < size;) {
      const ssize_t got = ::write(fd_, data + done, size - done);
      promise(got > 0, "a file in memory can be written");
      done += static_cast<std::size_t>(got);
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace trainhost::fuzz
