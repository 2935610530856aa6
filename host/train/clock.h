// Seconds on a steady clock.
#pragma once

#include <chrono>

namespace trainhost::train {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace trainhost::train
