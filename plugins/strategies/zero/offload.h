// Offload: which of a session's tensors lie in host memory, and how gradients get there.
//
// Purpose: with offload_optimizer the update runs on the CPU, bucket by bucket: while it works on
// one, the next one's gradients come (or, on a CPU device, its states are read from their files)
// and the last one's new values go. Ren et al., "ZeRO-Offload: Democratizing Billion-Scale Model
// Training", USENIX ATC 2021, section 4. Owner: a session. Threads and ranks: as HostMemory.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <optional>

#include "host_memory.h"
#include "session.h"
#include "trainhost/optimized_slice.h"

namespace zero {

class Offload {
 public:
  Offload(const Settings& settings, at::Device device);
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  /// For OptimizedSlice::memory.
  const trainhost::SliceMemory* optimizer() const { return optimizer_ ? &*optimizer_ : nullptr; }
  /// For this rank's part of the parameters; null: on the device.
  HostMemory* parameters() { return parameters_ ? &host_ : nullptr; }
  /// For this rank's sums of gradients; null: on the device.
  HostMemory* gradients() { return gradients_ ? &host_ : nullptr; }

  /// A bucket's gradients on their way to where the update runs.
  class Fetched {
   public:
    /// Once they are there.
    const at::Tensor& wait();

   private:
    friend class Offload;
    at::Tensor values_;
    std::optional<c10::Event> copied_;
  };
  Fetched fetch(const at::Tensor& gradients) const;

  /// The states of a slice are about to be updated.
  void will_need(const trainhost::OptimizedSlice& slice, int objective) const;

 private:
  const at::Device device_;
  const bool parameters_, gradients_, copies_;
  HostMemory host_;
  std::optional<trainhost::SliceMemory> optimizer_;
};

}  // namespace zero
