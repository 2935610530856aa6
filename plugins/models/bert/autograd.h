// What the encoder's autograd functions share.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "trainhost/error.h"

namespace bert {

/// A value that rides in an autograd context.
template <class T>
struct Capsule : torch::CustomClassHolder {
  explicit Capsule(T content) : value(std::move(content)) {}
  T value;
  bool taken = false;
};

template <class T>
void keep(torch::autograd::AutogradContext* context, T value) {
  context->saved_data["state"] =
      c10::IValue::make_capsule(c10::make_intrusive<Capsule<T>>(std::move(value)));
}

/// Moves it out, so that its tensors are freed with what backward returns, not with the graph.
template <class T>
T take(torch::autograd::AutogradContext* context) {
  const auto capsule = context->saved_data["state"].toCapsule();
  auto& kept = static_cast<Capsule<T>&>(*capsule);
  if (kept.taken) {
    throw trainhost::Error(trainhost::Failure::kRun,
                           {.where = "bert",
                            .what = "the encoder was differentiated twice",
                            .expected = "one backward for each forward",
                            .got = {},
                            .fix = {}});
  }
  kept.taken = true;
  return std::move(kept.value);
}

/// Calls `body` with a null pointer of the type of activations.
template <class Body>
decltype(auto) by_type(at::ScalarType type, Body body) {
  if (type == at::kBFloat16) return body(static_cast<c10::BFloat16*>(nullptr));
  return body(static_cast<float*>(nullptr));
}

inline float* floats(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}
inline const float* const_floats(const at::Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

}  // namespace bert
