#include "host/train/verdict.h"

#include <utility>

namespace trainhost::train {

bool Verdict::good() {
  const std::lock_guard lock(mutex_);
  return !ended_;
}

void Verdict::interrupted(int rank) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(ended_, true)) return;
  telemetry::Summary summary;
  summary.rank = rank;
  summary.interrupted = true;
  events_.send(summary);
}

void Verdict::failed(int rank, int slot, const Error& error) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(ended_, true)) return;
  code_ = static_cast<int>(error.failure());
  events_.send(telemetry::failed(rank, error, control_.doing(slot)));
  control_.abort_signal().raise(rank);
}

}  // namespace trainhost::train
