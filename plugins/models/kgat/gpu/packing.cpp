#include "gpu/packing.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace kgat::gpu {

Range Packing::add(std::span<const std::int32_t> list) {
  const Range range{static_cast<std::int64_t>(values_.size()),
                    static_cast<std::int64_t>(list.size())};
  values_.insert(values_.end(), list.begin(), list.end());
  return range;
}

at::Tensor Packing::finish(bool pinned) {
  const at::Tensor out = at::empty({static_cast<std::int64_t>(values_.size())},
                                   at::TensorOptions(at::kInt).pinned_memory(pinned));
  std::copy(values_.begin(), values_.end(), out.mutable_data_ptr<std::int32_t>());
  values_.clear();
  return out;
}

at::Tensor upload(const at::Tensor& packed, at::Device device) {
  return device.is_cpu() ? packed : packed.to(device, /*non_blocking=*/true);
}

const std::int32_t* pointer(const at::Tensor& packed, Range range) {
  return range.size == 0 ? nullptr : packed.const_data_ptr<std::int32_t>() + range.begin;
}

}  // namespace kgat::gpu
