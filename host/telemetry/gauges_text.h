// What the sensors of a device say, in words for a line of a step.
#pragma once

#include <string>

#include "host/telemetry/event.h"

namespace trainhost::telemetry {

/// "gpu 93 % 412 W 61 °C", what is not known left out; "" where nothing is. `device`: the kind that
/// the run uses; of a CPU nothing is told, whose load says little about a run.
std::string gauges_text(const Step& step, const std::string& device);

}  // namespace trainhost::telemetry
