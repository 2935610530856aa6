// LossScale: keeps fp16 gradients within fp16's range.
//
// Purpose: losses are multiplied by the scale before backward and gradients divided by it after.
// Where they overflow all the same, the step is left out and the scale halved; after many steps
// without, it is doubled (Micikevicius et al., "Mixed Precision Training", ICLR 2018, section 3.2).
// A power of two, so that scaling rounds nothing. Threads and ranks: a value; equal on all ranks,
// since they agree on what overflowed.
#pragma once

#include <cstdint>

namespace trainhost::checkpoint {

struct LossScale {
  static constexpr double kFirst = 65536, kSmallest = 1.0 / 65536, kLargest = 16777216.0 * 65536;
  static constexpr std::int64_t kGrowAfter = 2000;  // steps, as in the peers' scalers

  double scale = kFirst;
  std::int64_t good_steps = 0;  ///< without an overflow since the last change

  /// After a step. False where the scale cannot become any smaller.
  bool update(bool overflow) {
    if (overflow) {
      if (scale <= kSmallest) return false;
      scale /= 2;
      good_steps = 0;
    } else if (++good_steps == kGrowAfter) {
      if (scale < kLargest) scale *= 2;
      good_steps = 0;
    }
    return true;
  }
};

}  // namespace trainhost::checkpoint
