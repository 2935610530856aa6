// KeptBuffers: the model's buffers as they were before a step, for a step that begins anew.
//
// Purpose: a loss may write buffers (running statistics), and a step that is abandoned must leave
// no trace in them. Which ones it writes shows in the first step of an objective; only those are
// copied from then on. Owner: the trainer; refers to the session's tensors. Threads and ranks: the
// rank's thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainhost/strategy.h"

namespace trainhost::train {

class KeptBuffers {
 public:
  /// `state`: the session's.
  explicit KeptBuffers(const std::vector<StateSlice>& state);

  void before_step(int objective);
  /// Once the losses of a step are computed.
  void after_losses();
  /// As before the step. The name of a buffer that was written and had not been kept, or "".
  std::string restore();

 private:
  struct Buffer {
    std::string name;
    at::Tensor data;
    at::Tensor copy{};
    std::int64_t version = 0;  // when it was copied, or before the step
    bool written = false;      // by a loss, in some step
  };
  std::vector<Buffer> buffers_;
  std::vector<bool> seen_;  // by objective: it has made a step
  int objective_ = 0;
};

}  // namespace trainhost::train
