// RankEnvironment: what a rank process is told by whoever started it, through the environment.
//
// Purpose: one list of the variables for both ends. The first six are torchrun's, so that a rank
// looks the same to third-party code whichever launcher started it. Owner: a value.
// Threads and ranks: read once, at the start of the rank program's main.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace trainhost::launch {

/// Variables by name, as far as one is interested in them.
using Environment = std::map<std::string, std::string>;
Environment current_environment();

struct RankEnvironment {
  int rank = 0;                              ///< RANK
  int world = 1;                             ///< WORLD_SIZE: rank processes of the run
  int local_rank = 0;                        ///< LOCAL_RANK
  int local_world = 1;                       ///< LOCAL_WORLD_SIZE
  std::string master_address = "127.0.0.1";  ///< MASTER_ADDR
  int master_port = 0;                       ///< MASTER_PORT; 0: world 1, no rendezvous
  /// The launcher hosts the TCPStore: every rank, also rank 0, is its client (torchrun's agent).
  bool agent_store = false;  ///< TORCHELASTIC_USE_AGENT_STORE

  std::string plan_file;  ///< TRAINHOST_PLAN: plan.json
  /// TRAINHOST_RUN_DIR; empty in a rank other than 0 under a foreign launcher: rank 0 alone
  /// numbered the folder, and tells the others through the store.
  std::string run_directory;
  std::string resume;  ///< TRAINHOST_RESUME: checkpoint folder, or empty
  /// TRAINHOST_JOB: what the ranks are for: "train", or another job of host/train/rank_run.h.
  std::string job = "train";
  std::string job_file;  ///< TRAINHOST_JOB_FILE: JSON, what the job needs besides the plan
  std::vector<int> device_indices = {0};  ///< TRAINHOST_DEVICE_INDEX: one for each rank thread
  int events_fd = -1;                     ///< TRAINHOST_EVENTS_FD: pipe, see telemetry/event.h
  int control_fd = -1;                    ///< TRAINHOST_CONTROL_FD: see control.h
  /// TRAINHOST_LISTEN_FD: rank 0's listening socket for TCPStoreOptions::masterListenFd, bound by
  /// the parent to master_port; -1: none (world 1, or a foreign launcher: bind master_port).
  int listen_fd = -1;
  /// Slot in the control page: `local_rank` where the parent started all ranks of the machine, 0
  /// where it supervises one rank that a foreign launcher placed.
  int control_slot = 0;  ///< TRAINHOST_CONTROL_SLOT
  int parent = 0;        ///< TRAINHOST_PARENT: process id

  /// Reads and checks. Throws Error (kUser), naming the variable. `from_environment` checks also
  /// that the descriptors are open, and makes them close-on-exec.
  static RankEnvironment from(const Environment& environment);
  static RankEnvironment from_environment();

  /// The inverse: what the parent adds to its own environment, empty ones included.
  Environment to_environment() const;
};

/// Called by a child right after its start: the kernel kills it when its parent ends, however that
/// happens. Kills this process at once where the parent has ended already. Does nothing when
/// `parent` is 0. Safe between fork and exec.
void die_with_parent(int parent);

}  // namespace trainhost::launch
