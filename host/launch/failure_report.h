// failure_report: which of several failures came first, and the one report about it.
//
// Threads: pure functions of what is known once all ranks have ended.
#pragma once

#include <deque>
#include <string>

#include "host/launch/control.h"
#include "host/launch/supervise.h"
#include "host/launch/watched_rank.h"

namespace trainhost::launch {

/// The rank whose failure is the cause of the others'; null where none has failed. A rank that lost
/// another one is not the cause as long as there is a better candidate.
const WatchedRank* find_cause(const std::deque<WatchedRank>& ranks, const Control& control);

/// `hint`: a further sentence for the reader, or "".
FailureReport report_failure(const WatchedRank& cause, const std::deque<WatchedRank>& ranks,
                             const Control& control, const std::string& hint);

}  // namespace trainhost::launch
