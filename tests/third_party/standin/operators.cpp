// What a backend has to bring itself: memory, views and copies. All else is computed by the CPU on
// copies (ATen's boxed fallback).
#include "operators.h"

#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_local_scalar_dense.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <optional>

#include "allocator.h"

namespace standin {
namespace {

using c10::DispatchKey;
using Sizes = at::IntArrayRef;
template <class T>
using Maybe = std::optional<T>;

constexpr c10::DispatchKeySet kKeys(DispatchKey::PrivateUse1);

at::ScalarType type_or_default(Maybe<at::ScalarType> type) {
  return type.value_or(at::get_default_dtype_as_scalartype());
}

at::Tensor empty(Sizes sizes, Maybe<at::ScalarType> type, Maybe<at::Layout>,
                 Maybe<at::Device> device, Maybe<bool>, Maybe<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(sizes, &allocator(), kKeys, type_or_default(type), format);
}

at::Tensor empty_strided(Sizes sizes, Sizes strides, Maybe<at::ScalarType> type, Maybe<at::Layout>,
                         Maybe<at::Device> device, Maybe<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(sizes, strides, &allocator(), kKeys,
                                           type_or_default(type));
}

/// The same memory as the CPU sees it.
at::Tensor on_host(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(),
                       at::TensorOptions(tensor.scalar_type()));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool /*non_blocking*/) {
  if (to.numel() > 0) on_host(to).copy_(on_host(from));
  return to;
}

const at::Tensor& resize_tensor(const at::Tensor& self, Sizes sizes,
                                Maybe<at::MemoryFormat> format) {
  TORCH_CHECK(!format || *format == at::MemoryFormat::Contiguous, "resize_ to ", *format);
  const c10::DeviceGuard guard(self.device());
  at::native::resize_impl_cpu_(self.unsafeGetTensorImpl(), sizes, std::nullopt);
  return self;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (from.sizes() != to.sizes()) resize_tensor(to, from.sizes(), std::nullopt);
  return copy_from(from, to, false);
}

at::Scalar local_scalar(const at::Tensor& self) { return at::_local_scalar_dense(on_host(self)); }

at::Tensor& fill_tensor(at::Tensor& self, const at::Scalar& value) {
  if (self.numel() > 0) on_host(self).fill_(value);
  return self;
}

at::Tensor& zero_tensor(at::Tensor& self) { return fill_tensor(self, 0); }

void on_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  at::native::cpu_fallback(op, stack);
}

}  // namespace

void register_operators() {
  static torch::Library aten(torch::Library::IMPL, "aten", DispatchKey::PrivateUse1, __FILE__,
                             __LINE__);
  aten.impl("empty.memory_format", empty);
  aten.impl("empty_strided", empty_strided);
  aten.impl("as_strided", at::native::as_strided_tensorimpl);
  aten.impl("view", at::native::view);
  aten.impl("_reshape_alias", at::native::_reshape_alias);
  aten.impl("resize_", resize_tensor);
  aten.impl("set_.source_Storage_storage_offset", at::native::set_storage_cpu_);
  aten.impl("_copy_from", copy_from);
  aten.impl("_copy_from_and_resize", copy_from_and_resize);
  aten.impl("_local_scalar_dense", local_scalar);
  aten.impl("fill_.Scalar", fill_tensor);
  aten.impl("zero_", zero_tensor);
  static torch::Library all(torch::Library::IMPL, "_", DispatchKey::PrivateUse1, __FILE__,
                            __LINE__);
  all.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_cpu>());
}

}  // namespace standin
