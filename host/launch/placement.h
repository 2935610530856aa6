// placement: from the devices a recipe asks for to the ranks that this machine can carry.
//
// Purpose: walks the chain of device kinds, takes the first that serves, and says in words why the
// earlier ones did not. Threads: pure functions of what the probes say.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/recipe/plan.h"

namespace trainhost::launch {

/// What the probe of a kind of device found.
struct FoundDevices {
  struct Device {
    int index = 0;
    std::string name;
    std::int64_t memory_bytes = -1;
  };
  std::vector<Device> devices;
  std::string why_not;                  ///< the true first reason where nothing can be used
  std::vector<std::string> precisions;  ///< "fp32", …; empty: not known, anything goes
};
using Prober = std::function<FoundDevices(const std::string& kind)>;

struct Placement {
  std::string device_kind;
  std::vector<int> indices;          ///< the device of each local rank
  std::string chain;                 ///< "cuda: no NVIDIA driver (…) → cpu: 2 ranks"
  bool reached_by_fallback = false;  ///< not the kind that was asked for first, or fewer devices
  std::string precision;             ///< as it will run
  std::string precision_note;        ///< why it is not the recipe's; or ""
  std::vector<std::string> warnings;
  FoundDevices available;  ///< of the kind that was taken

  int ranks() const { return static_cast<int>(indices.size()); }
};

/// Ranks on each device other than the CPU: TRAINHOST_SHARE_DEVICES of the environment, else 1. For
/// tests of what several ranks do where there is one GPU; correct, and slow. Throws Error (kUser).
int ranks_sharing_a_device();

/// A placement whose devices did not open.
struct FailedAttempt {
  std::string kind;
  std::vector<int> indices;  ///< of its devices, each once
  int device = -1;           ///< the one that did not open; -1: they could not be connected
  std::string reason;        ///< one line
};

struct PlacementRequest {
  recipe::DevicesRequest devices;
  std::string precision = "fp32";
  int cores = 1;  ///< that this process may use
  /// Another launcher has placed one rank: the device of this local rank alone is wanted.
  int foreign_local_rank = -1;
  int ranks_per_device = ranks_sharing_a_device();
  /// What was tried before, in this order. Where several devices failed and the recipe leaves the
  /// number to the machine or names a fallback, one of their kind is tried next; then the kind is
  /// passed over.
  std::vector<FailedAttempt> failed{};
};

/// Throws Error (kDevice) where nothing serves, fewer devices are there than asked for, or a device
/// cannot do the precision; Error (kUser) for a request that no machine could serve.
Placement place(const PlacementRequest& request, const Prober& probe);

/// CPUs that this process may run on.
int usable_cores();

}  // namespace trainhost::launch
