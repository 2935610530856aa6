// Workspace: large temporary tensors that are used again step after step.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

namespace kgat {

/// Purpose: a training step needs the same few large arrays each time. Fresh ones cost a page fault
/// for every 4 KiB, about as long as the arithmetic; these are kept, in huge pages where the system
/// grants them, which also makes the random reads of the sparse product cheaper.
/// Owner: the memory of a tensor returns when the last reference to it is gone, and is freed with
/// the workspace or with the last tensor, whichever is later. Threads: any.
class Workspace {
 public:
  Workspace();

  /// An uninitialised float tensor [rows, columns] on the CPU.
  at::Tensor floats(std::int64_t rows, std::int64_t columns);
  /// The same of bytes.
  at::Tensor bytes(std::int64_t rows, std::int64_t columns);

 private:
  class Pool;
  at::Tensor make(std::int64_t rows, std::int64_t columns, at::ScalarType type);

  std::shared_ptr<Pool> pool_;  // shared with the tensors, which may live longer
};

}  // namespace kgat
