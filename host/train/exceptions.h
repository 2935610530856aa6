// What an exception that is no Error says about a rank.
//
// Threads and ranks: a pure function.
#pragma once

#include <exception>
#include <string>

#include "trainhost/error.h"

namespace trainhost::train {

/// Also where LibTorch's allocator for the CPU, oneDNN or a thread's stack found no room.
bool is_out_of_memory(const std::exception& exception);

/// Failure::kDevice where memory ran out, otherwise Failure::kRankLost. `who` is put into `where`.
Error as_error(const std::string& who, const std::exception& exception);

}  // namespace trainhost::train
