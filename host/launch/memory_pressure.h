// MemoryPressure: whether the kernel has killed processes for want of memory since some moment.
//
// Purpose: the hint that a rank's SIGKILL came from the out-of-memory killer. Threads: any.
#pragma once

#include <string>

namespace trainhost::launch {

class MemoryPressure {
 public:
  MemoryPressure();  ///< the moment

  /// A sentence with what to do about it, or "" where nothing points to a lack of memory.
  std::string hint() const;

 private:
  long machine_;  ///< kills counted so far; -1 where the kernel does not say
  long group_;
};

}  // namespace trainhost::launch
