// Lists of int32 side by side in one tensor, so that a batch crosses to the device in one copy.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace kgat::gpu {

/// A list's place in the packed tensor.
struct Range {
  std::int64_t begin = 0, size = 0;
};

/// Purpose: gathers lists, then packs them. Owner: a value. Threads: one.
class Packing {
 public:
  Range add(std::span<const std::int32_t> list);
  /// A tensor of int32 on the CPU, in memory that a copy to a device need not wait for when
  /// `pinned`. Empties the packing.
  at::Tensor finish(bool pinned);

 private:
  std::vector<std::int32_t> values_;
};

/// To the device, in the order of its current stream, without waiting.
at::Tensor upload(const at::Tensor& packed, at::Device device);

/// The list's first element in the uploaded tensor; null for an empty list.
const std::int32_t* pointer(const at::Tensor& packed, Range range);

}  // namespace kgat::gpu
