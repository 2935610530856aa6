// HostMemory: memory for what a rank does not keep on its device.
//
// Purpose: on a CPU device, files that are mapped and have no name, so that the kernel may write
// their pages out: a model may be larger than the machine's memory, and nothing is left behind by a
// rank that is killed. On other devices pinned memory, which copies need not wait for. Owner: a
// session; what it gave out holds its memory by itself. Threads and ranks: one for each rank, used
// from its thread.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>

namespace zero {

class HostMemory {
 public:
  /// `directory` for the files; "": $TMPDIR, without it /var/tmp. Looked at when first needed.
  HostMemory(at::Device device, const std::string& directory);

  /// A flat tensor [count] on the CPU, on a 64-byte boundary, with any values. Errors:
  /// Failure::kDevice where the disk is full, Failure::kUser for a directory that does not serve.
  at::Tensor allocate(std::int64_t count, at::ScalarType type);

  /// Has the kernel begin to read the pages of a tensor that lies in a file.
  void will_need(const at::Tensor& tensor) const;

 private:
  at::Tensor make_chunk(std::int64_t bytes) const;

  const at::Device device_;
  const std::string directory_;
  // Small tensors share a chunk, which lives as long as one of them.
  at::Tensor chunk_;  // u8
  std::int64_t used_ = 0;
};

}  // namespace zero
