#include "host/train/kept_buffers.h"

#include <ATen/ops/empty_like.h>
#include <c10/core/GradMode.h>

namespace trainhost::train {

KeptBuffers::KeptBuffers(const std::vector<StateSlice>& state) {
  for (const StateSlice& slice : state) {
    if (slice.name.starts_with("buffer/")) buffers_.push_back({slice.name, slice.data});
  }
}

void KeptBuffers::before_step(int objective) {
  c10::NoGradGuard no_grad;
  objective_ = objective;
  if (seen_.size() <= static_cast<std::size_t>(objective)) {
    seen_.resize(static_cast<std::size_t>(objective) + 1);
  }
  for (Buffer& buffer : buffers_) {
    buffer.version = static_cast<std::int64_t>(buffer.data._version());
    if (seen_[static_cast<std::size_t>(objective)] && !buffer.written) continue;
    if (!buffer.copy.defined()) buffer.copy = at::empty_like(buffer.data);
    buffer.copy.copy_(buffer.data);
  }
}

void KeptBuffers::after_losses() {
  seen_[static_cast<std::size_t>(objective_)] = true;
  for (Buffer& buffer : buffers_) {
    if (static_cast<std::int64_t>(buffer.data._version()) != buffer.version) buffer.written = true;
    if (!buffer.written) buffer.copy = at::Tensor();
  }
}

std::string KeptBuffers::restore() {
  c10::NoGradGuard no_grad;
  for (Buffer& buffer : buffers_) {
    if (static_cast<std::int64_t>(buffer.data._version()) == buffer.version) continue;
    if (!buffer.copy.defined()) return buffer.name;
    buffer.data.copy_(buffer.copy);
  }
  return "";
}

}  // namespace trainhost::train
