// What the stages of ZeRO promise: bytes on the rank that has most, and traffic.
//
// Threads and ranks: a pure function.
#pragma once

#include <vector>

#include "session.h"
#include "trainhost/strategy.h"

namespace zero {

trainhost::Claims claims_of(const Settings& settings, const trainhost::ModelSpec& model,
                            const std::vector<trainhost::ObjectiveSpec>& objectives,
                            const trainhost::Optimizer& optimizer, int world);

}  // namespace zero
