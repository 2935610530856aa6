// rank_run: the life of a rank process, from its environment to its end.
//
// Purpose: wires device, model, strategy and trainer in the one order that works (devices before
// the first LibTorch call, data before parameters). A process is one rank, or, where the strategy's
// ranks are threads, all of them: they share the model's data and the strategy. Owner: the rank
// program's main. Threads and ranks: the process's main thread.
#pragma once

#include "host/launch/control.h"
#include "host/launch/rank_environment.h"
#include "host/telemetry/event_writer.h"

namespace trainhost::train {

/// Does the job, tells the parent how it went, and returns the exit code.
int run_ranks(const launch::RankEnvironment& environment, const launch::Control& control,
              telemetry::EventWriter& events);

}  // namespace trainhost::train
