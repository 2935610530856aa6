// The sessions of ZeRO's three stages (Rajbhandari et al., "ZeRO: Memory Optimizations Toward
// Training Trillion Parameter Models", SC 2020).
//
// Purpose: stage 1 shards the optimizer's states, stage 2 the gradients too, stage 3 also the
// parameters. In all of them a rank updates its shard of every bucket. Threads and ranks: as
// StrategySession.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "trainhost/strategy.h"

namespace zero {

struct Settings {
  int stage = 1;
  std::int64_t bucket_bytes = 0;  ///< stages 1 and 2
  /// Stage 3: units with fewer parameters stay whole on every rank.
  std::int64_t resident_parameters = 0;
  bool prefetch = true;             ///< stage 3: gather the next unit while one runs
  bool on_cpu = true;               ///< the kind of device
  bool offload_optimizer = false;   ///< states and masters in host memory; updates on the CPU
  bool offload_parameters = false;  ///< stage 3: the rank's part of them in host memory
  std::string offload_directory{};  ///< for HostMemory
};

std::unique_ptr<trainhost::StrategySession> make_session(const trainhost::AttachContext& context,
                                                         const Settings& settings);

}  // namespace zero
