// Which piece of memory serves a unit that is gathered, for the store and for its claims.
//
// Threads and ranks: a pure function, the same on all ranks.
#pragma once

#include <cstdint>
#include <span>

namespace zero {

struct SlotChoice {
  std::ptrdiff_t index = -1;  ///< among the free ones; -1: none is for it
  bool fits = false;          ///< otherwise it makes way for a new one
};

/// The smallest that fits, unless the unit would leave more than half of it empty; else the largest
/// that is at least half as large as the unit. So each size of units has slots of its own: small
/// ones do not sit in the memory of the one large table, which then would need more.
inline SlotChoice choose_slot(std::span<const std::int64_t> free, std::int64_t bytes) {
  SlotChoice best;
  std::int64_t best_size = 0;
  for (std::ptrdiff_t i = 0; i < std::ssize(free); ++i) {
    const std::int64_t size = free[static_cast<std::size_t>(i)];
    if (size > 2 * bytes || 2 * size < bytes) continue;
    const bool fits = size >= bytes;
    if (best.index < 0 ||
        (fits ? !best.fits || size < best_size : !best.fits && size > best_size)) {
      best = {i, fits};
      best_size = size;
    }
  }
  return best;
}

}  // namespace zero
