// RankRun: the life of one rank process, from its environment to the end of training.
//
// Purpose: wires device, model, strategy and trainer in the one order that works (devices before
// the first LibTorch call, data before parameters). Owner: the rank program's main. Threads and
// ranks: the process's main thread.
#pragma once

#include "host/launch/control.h"
#include "host/launch/rank_environment.h"
#include "host/telemetry/event_writer.h"

namespace trainhost::train {

/// Trains. Errors leave as Error; an interrupt before training as Interrupted (rank_host.h).
void run_rank(const launch::RankEnvironment& environment, const launch::Control& control,
              telemetry::EventWriter& events);

}  // namespace trainhost::train
