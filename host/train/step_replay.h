// StepReplay: lets a rank that ran out of memory within a step come to its end without rows, so
// that it meets the other ranks there.
//
// Purpose: the others are in the step's collectives, or wait in them. A rank without rows runs the
// same units and issues the same collectives in the same order (model.h), and needs hardly any
// memory: so the step is run once more in that way, and what was issued before is left out. What
// the collectives give is of no use to anybody: every rank abandons the step at its end. Owner: a
// rank's run. Threads and ranks: the groups as Communicator; the rest on the rank's thread, while
// no backward runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "trainhost/communicator.h"

namespace trainhost::train {

class StepReplay {
 public:
  /// A rank's end of a group whose operations are counted.
  std::unique_ptr<Communicator> watch(std::unique_ptr<Communicator> group);
  std::unique_ptr<Communicator> watch(Communicator& group);

  /// Counts from here.
  void begin();
  /// The operations since `begin` come once more, and are left out.
  void again();

 private:
  struct Count {
    std::atomic<std::int64_t> issued = 0, left_out = 0;
  };
  class Group;

  std::unique_ptr<Communicator> watch(std::unique_ptr<Communicator> owned, Communicator& group);

  std::mutex mutex_;
  // State below is protected by mutex_.
  std::vector<std::shared_ptr<Count>> counts_;
};

}  // namespace trainhost::train
