// OutFolder: the folder that a benchmark writes into, and nowhere else.
//
// Purpose: names that a script chooses stay inside; files appear whole or not at all. Owner: the
// bench command; one process at a time has the folder. Threads: the program's only thread.
#pragma once

#include <string>
#include <string_view>

#include "host/launch/descriptor.h"

namespace trainhost::bench {

class OutFolder {
 public:
  /// Makes the folder where it is missing. Throws Error (kUser) where it cannot be made or another
  /// process writes into it.
  explicit OutFolder(const std::string& path);

  const std::string& path() const { return path_; }  ///< absolute

  /// The path of a file that a script names, its folders made. Throws Error (kUser) for an absolute
  /// path, one with "..", one that leaves the folder through a link, and the program's own files.
  std::string inside(const std::string& name) const;

  /// Writes a file that a script names, at most 16 MiB; returns its path.
  std::string write(const std::string& name, std::string_view text) const;

 private:
  std::string path_;
  launch::Descriptor lock_;
};

/// Written aside and renamed. Throws Error (kRun).
void write_whole(const std::string& path, std::string_view text);

/// What a file holds, at most `most` bytes; "" where it cannot be read.
std::string read_some(const std::string& path, std::size_t most);

}  // namespace trainhost::bench
