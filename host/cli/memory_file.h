// MemoryFile: a text that child processes read by a path, and that nobody else finds.
//
// Owner: the parent; the path serves as long as it lives. Threads: one.
#pragma once

#include <string>
#include <string_view>

#include "host/launch/descriptor.h"

namespace trainhost::cli {

class MemoryFile {
 public:
  /// Throws Error (kRun) where the memory cannot be had.
  MemoryFile(const char* name, std::string_view text);
  const std::string& path() const { return path_; }

 private:
  launch::Descriptor file_;
  std::string path_;
};

}  // namespace trainhost::cli
