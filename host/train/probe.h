// probe: what a few steps cost, in bytes and seconds.
//
// Purpose: the measured side of `trainhost describe`. `alone`: every process trains by itself, at
// half the batch and at the whole, as many at once as there would be ranks, so that each has the
// cores and the memory bandwidth it would have; and the rates of the collectives between them.
// Otherwise: the steps of the plan's strategy between its ranks, as they are. Owner: the rank
// program; borrows everything in ProbeParts. Threads and ranks: the rank's thread; [collective].
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/recipe/plan.h"
#include "host/train/job.h"
#include "host/train/memory_counter.h"
#include "host/train/rank_host.h"
#include "trainhost/device.h"
#include "trainhost/model.h"
#include "trainhost/strategy.h"

namespace trainhost::train {

struct ProbeParts {
  const recipe::RunPlan& plan;
  const Job::Probe& job;
  RankHost& host;
  Model& model;
  const ModelSpec& spec;
  const std::vector<ObjectiveSpec>& objectives;
  DeviceSession& device;
  Communicator& communicator;  ///< of all ranks
  Strategy& strategy;
  Optimizer& optimizer;
  MemoryCounter& memory;
  /// As in AttachContext, and one whose world is this process.
  std::function<std::unique_ptr<Communicator>(const std::string& name)> make_communicator;
  std::function<std::unique_ptr<Communicator>()> communicator_alone;
};

/// Tells the parent what was found, as JSON in this rank's summary:
///   {"pss_before", "pss_after", "most_resident", "device_free", "device_peak", "training_rows",
///    "runs": [{"numerics", "objective", "rows", "micro_batches", "steps", "compute_seconds",
///              "update_seconds", "step_seconds", "held_bytes", "peak_bytes", "counted_bytes",
///              "sent_bytes"}],
///    "collectives": [{"operation", "bytes", "sent_bytes", "seconds"}]}
/// Rows are a rank's in a micro-batch; seconds are medians of the steps, bytes the most of a step
/// (sent: the median) beyond what the process held before the strategy was attached, which is
/// counted_bytes; device_free is before all, device_peak after, -1 where the device cannot tell.
void probe(const ProbeParts& parts);

}  // namespace trainhost::train
