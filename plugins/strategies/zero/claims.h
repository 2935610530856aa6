// What the stages of ZeRO promise: bytes on the rank that has most, and traffic.
//
// Threads and ranks: a pure function.
#pragma once

#include <vector>

#include "session.h"
#include "trainhost/strategy.h"

namespace zero {

trainhost::Claims claims_of(const Settings& settings, const trainhost::ClaimsRequest& request);

}  // namespace zero
