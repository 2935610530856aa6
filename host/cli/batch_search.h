// batch_search: the largest batch that fits, by trying some.
//
// Purpose: memory grows with the batch by a line, nearly: so a few trials give it, and the next
// batch tried is where the line meets the bound. Owner: train.batch = "auto". Threads: pure, but
// for what `trial` does.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace trainhost::cli {

struct BatchTrial {
  std::int64_t bytes = 0;  ///< what it took at most
  std::int64_t bound = 0;  ///< what it may take
  std::int64_t most = 0;   ///< a batch above which nothing is gained: all rows; 0: not known
};

struct FoundBatch {
  std::int64_t batch = 0;  ///< 0: not even one row fits
  std::int64_t bytes = 0, bound = 0;
  int trials = 0;
};

/// `trial` returns nothing where memory ran out. `most`: a batch that is not to be exceeded. The
/// batch found takes nearly all that it may, or is at most a thirty-second below the largest that
/// fits.
FoundBatch search_batch(std::int64_t most,
                        const std::function<std::optional<BatchTrial>(std::int64_t batch)>& trial);

}  // namespace trainhost::cli
