// How the ends of a group find each other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared_memory/collectives.h"
#include "shared_memory/group.h"
#include "trainhost/store.h"

namespace shared_memory {

/// This rank's end of a group of processes on one machine. Rank 0 makes the segment and publishes
/// it under "<name>/segment"; nothing of it has a name in a file system. Errors: Failure::kRun when
/// the ranks are on several machines or in several containers.  [collective]
std::unique_ptr<Engine> meet_processes(trainhost::Store& store, const std::string& name, int rank,
                                       int world, const Patience& patience);

/// What the ranks of one process share before each makes its end.
struct LocalGroup {
  std::string name;
  std::shared_ptr<Mapping> segment;
  std::shared_ptr<Board> board;
  int world = 1;
};
LocalGroup make_local_group(std::string name, int world);

/// Rank `rank`'s end; waits for nobody.
std::unique_ptr<Engine> join_local_group(const LocalGroup& group, int rank,
                                         const Patience& patience);

}  // namespace shared_memory
