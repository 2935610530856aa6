// What the control groups of this process let it use, versions 1 and 2.
//
// Threads: pure functions of /proc and /sys.
#pragma once

#include <cstdint>
#include <string>

namespace trainhost::cli {

/// The tightest limits of this process's group and those above it; negative: none.
struct GroupLimits {
  std::int64_t memory_bytes = -1;
  std::int64_t memory_used = -1;  ///< in the group that has the tightest limit
  double cores = -1;              ///< processor time a second
};

/// `root`: before /proc and /sys.
GroupLimits read_group_limits(const std::string& root);

}  // namespace trainhost::cli
