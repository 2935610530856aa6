// Pointers into tensors, checked, for the functions of this folder.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <string>

#include "trainhost/error.h"

namespace kgat::gpu {

/// The kernels compute in float32: autocast does not reach the products between them.
class WithoutAutocast {
 private:
  const c10::impl::ExcludeDispatchKeyGuard guard_{c10::autocast_dispatch_keyset};
};

inline const float* data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}
inline float* mutable_data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

inline at::Tensor floats(at::Device device, at::IntArrayRef sizes) {
  return at::empty(sizes, at::TensorOptions(at::kFloat).device(device));
}

inline void expect(const at::Tensor& tensor, at::IntArrayRef sizes, at::Device device,
                   const char* name) {
  if (tensor.defined() && tensor.scalar_type() == at::kFloat &&
      tensor.device().type() == device.type() && tensor.is_contiguous() &&
      tensor.sizes() == sizes) {
    return;
  }
  std::string shape, found = "no tensor";
  for (const std::int64_t size : sizes) shape += " " + std::to_string(size);
  if (tensor.defined()) {
    found = std::string(c10::toString(tensor.scalar_type())) + " on " + tensor.device().str();
    for (const std::int64_t size : tensor.sizes()) found += " " + std::to_string(size);
  }
  throw trainhost::Error(trainhost::Failure::kRun,
                         {.where = "kgat",
                          .what = std::string("tensor '") + name + "' does not fit",
                          .expected = "contiguous float32 on " + device.str() + " of sizes" + shape,
                          .got = found});
}

}  // namespace kgat::gpu
