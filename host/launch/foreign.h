// foreign: whether another launcher (torchrun, Slurm, MPI, Kubernetes) has placed this process.
//
// Purpose: under such a launcher every process of the job runs `trainhost RECIPE`; each then starts
// and watches just the one rank it stands for. Kubernetes' PyTorchJob sets torchrun's variables.
// Threads: pure function of the environment.
#pragma once

#include <optional>
#include <string>

#include "host/launch/rank_environment.h"

namespace trainhost::launch {

struct ForeignPlacement {
  std::string launcher;  ///< "torchrun", "Slurm", "Open MPI", "PMI"
  int rank = 0, world = 1, local_rank = 0, local_world = 1;
  std::string master_address;
  int master_port = 0;
  bool agent_store = false;  ///< the launcher hosts the TCPStore
};

/// Nothing where the variables of no launcher are there. Throws Error (kUser) where they are, but
/// contradict each other or lack rank 0's address, naming the variable to set.
std::optional<ForeignPlacement> find_foreign_placement(const Environment& environment);

/// The first host of a Slurm node list: "gpu[03-07,9],x1" → "gpu03".
std::string first_slurm_host(const std::string& list);

}  // namespace trainhost::launch
