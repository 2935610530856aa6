// Order: which rows of which set a step works on.
//
// The order is global and a pure function of the seed: (epoch, step, effective batch) → rows,
// whatever the number of ranks, loader threads and restarts. All rows of a step come from one set.
//
// Threads and ranks: [loader threads] any, at once; equal on all ranks. What was worked out for an
// epoch is kept for the last few, behind a mutex.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "sbert/arrangement.h"
#include "sbert/training_set.h"

namespace sbert {

/// How steps are shared out among several sets.
enum class Mix {
  /// All rows of all sets once an epoch, the sets' steps in random order. With weights: as many
  /// steps, shared out by them; a set then gives less than all, or more than once all.
  kProportional,
  /// A step of each set in turn, until the first has none left (as sentence-transformers does it).
  kRoundRobin,
  /// The first set for its epochs, then the second for its own, …; the last one goes on.
  kInTurn,
};

struct OrderedSet {
  TrainingSet set;
  Arrangement arrangement = Arrangement::kRandom;
  double weight = 0;        ///< kProportional; 0: its rows
  std::int64_t epochs = 1;  ///< kInTurn
};

/// The rows of a slice of a step's batch.
struct Chosen {
  std::int64_t set = 0;
  std::vector<std::int64_t> rows;
};

class Order {
 public:
  /// Throws trainhost::Error (kUser): no set, or one that is too large for kNoDuplicates.
  Order(std::vector<OrderedSet> sets, Mix mix, bool drop_last, std::uint64_t seed);

  /// Steps of an epoch at `effective` rows a full step; at least 1 (else trainhost::Error, kUser:
  /// drop_last leaves nothing). A matter of counting, unless a set is kNoDuplicates.
  std::int64_t steps(std::int64_t epoch, std::int64_t effective) const;
  /// Rows of a step: at most `effective`, at least 1.
  std::int64_t rows(std::int64_t epoch, std::int64_t step, std::int64_t effective) const;
  /// Rows [begin, end) of a step's batch.
  Chosen choose(std::int64_t epoch, std::int64_t step, std::int64_t effective, std::int64_t begin,
                std::int64_t end) const;

  const std::vector<OrderedSet>& sets() const { return sets_; }

 private:
  /// A step: batch `batch` of a pass.
  struct Step {
    std::int32_t set = 0;
    std::shared_ptr<const Pass> pass;  // shared by the steps of one pass
    std::int64_t batch = 0;
  };
  struct Epoch {
    std::int64_t epoch, effective;
    std::vector<Step> steps;
  };

  std::shared_ptr<const Epoch> epoch_of(std::int64_t epoch, std::int64_t effective) const;
  std::vector<Step> plan(std::int64_t epoch, std::int64_t effective) const;
  /// The sets that an epoch draws from.
  std::vector<std::size_t> sets_of(std::int64_t epoch) const;
  /// Steps of one pass over a set; nothing where only the pass itself can tell.
  std::optional<std::int64_t> steps_of_pass(std::size_t set, std::int64_t effective) const;
  /// Steps that an epoch takes from each set, given those of one pass over each.
  std::vector<std::int64_t> shares(const std::vector<std::size_t>& sets,
                                   const std::vector<std::int64_t>& of_a_pass) const;
  std::vector<Step> pass_of(std::size_t set, std::int64_t epoch, std::int64_t pass,
                            std::int64_t effective) const;
  std::vector<Step> in_turns(std::int64_t epoch,
                             const std::vector<std::vector<Step>>& by_set) const;

  // Constant after construction.
  const std::vector<OrderedSet> sets_;
  const Mix mix_;
  const bool drop_last_;
  const trainhost::Random random_;
  std::vector<std::vector<std::int32_t>> numbers_;  // text_numbers() of sets that need them

  // Protected by mutex_.
  mutable std::mutex mutex_;
  mutable std::list<std::shared_ptr<const Epoch>> kept_;  // shared: a caller may still read one
  mutable std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> steps_;  // of plans made
};

}  // namespace sbert
