// libtorch: where LibTorch is on this machine, found without loading it.
//
// Purpose: the program that trains needs LibTorch on its library path; this one does not. Threads:
// called from the parent's only thread.
#pragma once

#include <string>
#include <vector>

#include "host/launch/rank_environment.h"

namespace trainhost::launch {

struct LibTorch {
  std::string folder;    ///< holds lib/
  std::string version;   ///< "2.11.0"; "" where the folder does not say
  std::string found_by;  ///< "TRAINHOST_LIBTORCH", a file that recorded it, or "python3"
  std::vector<std::string> library_path;  ///< for LD_LIBRARY_PATH
};

/// Looks at TRAINHOST_LIBTORCH (and nowhere else where it is set), then at the folder named in each
/// of `records` (files of one line; a relative path is relative to the file), then asks python3.
/// Throws Error (kDevice) where none of them has the version this build needs.
LibTorch find_libtorch(const Environment& environment, const std::vector<std::string>& records);

}  // namespace trainhost::launch
