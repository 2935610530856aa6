#include "host/cli/batch_search.h"

#include <algorithm>
#include <cmath>

namespace trainhost::cli {
namespace {

constexpr std::int64_t kFirst = 16;
/// A line through two points foresees no further than this.
constexpr std::int64_t kFactor = 8;
/// A batch that takes so much of the bound will do.
constexpr double kNear = 0.97;
constexpr std::int64_t kMultiple = 8;  // kernels like whole vectors

struct Point {
  std::int64_t batch = 0, bytes = 0;
};

class Search {
 public:
  explicit Search(std::int64_t most) : too_many_(most + 1) {}

  bool done() const {
    const bool nearly =
        static_cast<double>(found_.bytes) >= kNear * static_cast<double>(found_.bound);
    return (found_.batch > 0 && nearly) ||
           too_many_ - found_.batch <= std::max<std::int64_t>(1, found_.batch / 32);
  }
  std::int64_t next() const {
    const std::int64_t last = too_many_ - 1;
    if (found_.batch == 0)
      return failed_ ? std::max<std::int64_t>(1, last / 2) : std::min(kFirst, last);
    const std::int64_t most = std::min(last, kFactor * found_.batch);
    std::int64_t batch = failed_ ? found_.batch + (too_many_ - found_.batch) / 2 : most;
    const std::int64_t foreseen = on_the_line();
    if (foreseen > 0 && foreseen < too_many_)
      batch = failed_ ? std::min(batch, foreseen) : foreseen;
    batch = std::clamp(batch, found_.batch + 1, most);
    const std::int64_t rounded = batch / kMultiple * kMultiple;
    return rounded > found_.batch ? rounded : batch;
  }
  void take(std::int64_t batch, const std::optional<BatchTrial>& trial) {
    ++found_.trials;
    if (trial && trial->most > 0) too_many_ = std::min(too_many_, std::max(batch, trial->most) + 1);
    if (trial) {
      before_ = last_;
      last_ = {batch, trial->bytes};
      found_.bound = trial->bound;
    }
    if (!trial || trial->bytes > trial->bound) {
      too_many_ = batch;
      failed_ = true;
      return;
    }
    found_.batch = batch;
    found_.bytes = trial->bytes;
  }
  const FoundBatch& found() const { return found_; }

 private:
  /// Where the line through the last two trials meets the bound; 0: there is none.
  std::int64_t on_the_line() const {
    if (before_.batch == 0 || last_.batch == before_.batch) return 0;
    const double slope = static_cast<double>(last_.bytes - before_.bytes) /
                         static_cast<double>(last_.batch - before_.batch);
    if (slope <= 0) return 0;
    const double more = static_cast<double>(found_.bound - last_.bytes) / slope;
    return std::max<std::int64_t>(
        0, last_.batch + static_cast<std::int64_t>(std::floor(std::min(more, 1e15))));
  }

  std::int64_t too_many_;  // known, or as the caller says
  bool failed_ = false;    // a batch was too large
  Point before_, last_;
  FoundBatch found_;
};

}  // namespace

FoundBatch search_batch(std::int64_t most,
                        const std::function<std::optional<BatchTrial>(std::int64_t)>& trial) {
  Search search(most);
  while (!search.done()) {
    const std::int64_t batch = search.next();
    search.take(batch, trial(batch));
  }
  return search.found();
}

}  // namespace trainhost::cli
