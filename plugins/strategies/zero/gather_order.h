// GatherOrder: which unit is gathered after which, learnt from how it went before.
//
// Purpose: lets the next unit's all-gather begin while the present unit runs. What came after a
// unit and the one before it is taken to come after these two again, so a unit that is gathered
// at several places (tied weights) is foreseen at each. Owner: a session. Threads and ranks: the
// rank's thread; ranks that gather in the same order foresee the same.
#pragma once

#include <map>
#include <utility>

namespace zero {

class GatherOrder {
 public:
  static constexpr int kNone = -1;

  /// Notes that `unit` has been gathered. The unit that came next when this was seen last, or
  /// kNone.
  int gathered(int unit) {
    if (last_ != kNone) next_[{before_, last_}] = unit;
    before_ = std::exchange(last_, unit);
    const auto found = next_.find({before_, last_});
    return found == next_.end() ? kNone : found->second;
  }

  /// Whatever is gathered next does not follow from what was gathered last.
  void end() {
    if (last_ != kNone) next_[{before_, last_}] = kNone;
    before_ = last_ = kNone;
  }

 private:
  std::map<std::pair<int, int>, int> next_;  // after (the one before, the last one)
  int before_ = kNone, last_ = kNone;
};

}  // namespace zero
