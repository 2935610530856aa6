// The job "device" of check-plugin: what a device promises of sessions and communicators, tried.
//
// Purpose: each trial computes what should come out by a naive sum, or watches how long something
// takes. The groups are of processes (DeviceSession::communicator) or of threads of one process
// (Device::local_communicators). Owner: the rank program. Threads and ranks: its main thread, which
// starts the ranks of a local group.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/launch/control.h"
#include "host/launch/rank_environment.h"
#include "host/recipe/plan.h"
#include "host/telemetry/event_writer.h"

namespace trainhost::train {

struct DeviceJob {
  /// "collectives", "uneven", "async", "rank-order", "abort", "timeout" of a group, "open",
  /// "memory" of one session.
  std::string trial;
  bool local = false;       ///< a group of threads
  std::vector<int> worlds;  ///< local: one group after the other
  std::uint64_t seed = 1;
};

/// Sends a Summary with {"failure": "" or what was wrong, "detail": worth knowing,
/// "skip": why it was not tried} of each process.
void device_job(const recipe::RunPlan& plan, const DeviceJob& job,
                const launch::RankEnvironment& environment, const launch::Control& control,
                telemetry::EventWriter& events);

}  // namespace trainhost::train
