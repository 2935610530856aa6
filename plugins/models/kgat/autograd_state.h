// A value that rides in an autograd context from forward to backward.
#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace kgat {

template <class T>
struct Capsule : torch::CustomClassHolder {
  explicit Capsule(T content) : value(std::move(content)) {}
  T value;
};

template <class T>
void keep(torch::autograd::AutogradContext* context, T value) {
  context->saved_data["state"] =
      c10::IValue::make_capsule(c10::make_intrusive<Capsule<T>>(std::move(value)));
}

template <class T>
T& kept(torch::autograd::AutogradContext* context) {
  const auto capsule = context->saved_data["state"].toCapsule();
  return static_cast<Capsule<T>*>(capsule.get())->value;
}

}  // namespace kgat
