// What an exception that is no Error says about a rank.
//
// Threads and ranks: a pure function.
#pragma once

#include <exception>
#include <string>

#include "trainhost/error.h"

namespace trainhost::train {

/// Failure::kDevice where memory ran out, otherwise Failure::kRankLost. `who` is put into `where`.
Error as_error(const std::string& who, const std::exception& exception);

}  // namespace trainhost::train
