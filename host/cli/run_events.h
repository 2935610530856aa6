// What a run's TensorBoard events begin with.
//
// Threads: the parent's only thread.
#pragma once

#include "host/cli/prepared_run.h"
#include "host/telemetry/run_directory.h"
#include "host/telemetry/tensorboard_writer.h"

namespace trainhost::cli {

/// Opens the events of a run, with its settings (the hparams dashboard compares runs by them) and
/// its plan as a text.
telemetry::TensorBoardWriter begin_events(const PreparedRun& run,
                                          const telemetry::RunDirectory& directory);

/// The settings: model and its options, strategy, device, ranks, optimizer, the rate and batch of
/// each objective.
std::vector<telemetry::Hparam> run_hparams(const recipe::RunPlan& plan);

}  // namespace trainhost::cli
