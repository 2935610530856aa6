// Sparse tensors (gradients of tables of which few rows were read): ATen's own functions, which see
// nothing of a device. All else is computed by the CPU on copies.
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_coalesced_native.h>
#include <ATen/ops/_indices_native.h>
#include <ATen/ops/_nnz_native.h>
#include <ATen/ops/_sparse_coo_tensor_with_dims_and_tensors_native.h>
#include <ATen/ops/_sparse_coo_tensor_with_dims_native.h>
#include <ATen/ops/_values_native.h>
#include <ATen/ops/copy_native.h>
#include <ATen/ops/copy_sparse_to_sparse_native.h>
#include <ATen/ops/dense_dim_native.h>
#include <ATen/ops/empty_native.h>
#include <ATen/ops/indices_native.h>
#include <ATen/ops/is_coalesced_native.h>
#include <ATen/ops/sparse_dim_native.h>
#include <ATen/ops/sparse_resize_and_clear_native.h>
#include <ATen/ops/sparse_resize_native.h>
#include <ATen/ops/values_native.h>
#include <torch/library.h>

#include "operators.h"

namespace standin {

namespace native = at::native;

namespace {

void sparse_on_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  native::cpu_fallback(op, stack, /*error_on_views=*/false, c10::DispatchKey::SparseCPU);
}

}  // namespace

void register_sparse_operators() {
  constexpr auto kKey = c10::DispatchKey::SparsePrivateUse1;
  static torch::Library aten(torch::Library::IMPL, "aten", kKey, __FILE__, __LINE__);
  aten.impl("empty.memory_format", native::empty_sparse_symint);
  aten.impl("_sparse_coo_tensor_with_dims", native::new_with_dims_sparse);
  aten.impl("_sparse_coo_tensor_with_dims_and_tensors",
            native::new_with_dims_and_tensor_sparse_symint);
  aten.impl("_indices", native::_indices_sparse);
  aten.impl("_values", native::_values_sparse);
  aten.impl("indices", native::indices_sparse);
  aten.impl("values", native::values_sparse);
  aten.impl("_nnz", native::_nnz_sparse);
  aten.impl("sparse_dim", native::sparse_dim_sparse);
  aten.impl("dense_dim", native::dense_dim_sparse);
  aten.impl("is_coalesced", native::is_coalesced_sparse);
  aten.impl("_coalesced_", native::_coalesced_sparse_);
  aten.impl("sparse_resize_", native::sparse_resize_);
  aten.impl("sparse_resize_and_clear_", native::sparse_resize_and_clear_);
  aten.impl("copy_", native::copy_sparse_wrapper_);
  aten.impl("copy_sparse_to_sparse_", native::copy_sparse_);
  // ATen would compute these by an iteration over dense memory, before it asks for the fallback.
  for (const char* name :
       {"add.Tensor", "add_.Tensor", "mul.Tensor", "mul_.Tensor", "div.Tensor", "div_.Tensor"}) {
    aten.impl(name, torch::CppFunction::makeFromBoxedFunction<&sparse_on_the_cpu>());
  }
  static torch::Library all(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
  all.fallback(torch::CppFunction::makeFromBoxedFunction<&sparse_on_the_cpu>());
}

}  // namespace standin
