// Waiting for the device: how an operation that does not end becomes an Error.
#pragma once

#include <functional>
#include <string>

#include "cuda/wire.h"
#include "trainhost/abort.h"

namespace cuda {

/// How long a collective waits for another rank: `train_timeout`, or the seconds of NCCL_TIMEOUT
/// where that is set, being said for NCCL and for this start of the program. Throws Error (kUser)
/// where it is no number above 0.
double collective_timeout(double train_timeout);

/// Returns when the work is done. `look` is called in between, and throws to end the wait; `late`
/// is called, and throws, when the seconds have passed.
void wait_until_done(Pending& work, double seconds, const std::function<void()>& look,
                     const std::function<void()>& late);

/// "rank 2 was lost", or that the run was ended.
std::string why_ended(const trainhost::AbortSignal& abort);

/// "30 s", "0.5 s"
std::string seconds_text(double seconds);

}  // namespace cuda
