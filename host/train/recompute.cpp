#include "host/train/recompute.h"

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>
#include <vector>

namespace trainhost::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// What forward tells the caller, and what backward needs.
struct Rerun : torch::CustomClassHolder {
  Rerun(const RunUnit* to_run_first, RunUnit to_run_again)
      : first(to_run_first), again(std::move(to_run_again)) {}

  const RunUnit* first;  // alive during forward
  RunUnit again;
  Tensors outputs{};                  // of forward; those with a value are replaced by the caller
  std::vector<std::size_t> places{};  // of the outputs with a value
};

struct Recompute : Function<Recompute> {
  /// `anchor` requires a gradient, so that there is a backward where no input does.
  static variable_list forward(AutogradContext* context, const c10::intrusive_ptr<Rerun>& rerun,
                               const at::Tensor& /*anchor*/, at::TensorList inputs) {
    rerun->outputs = (*rerun->first)(inputs.vec());
    variable_list defined, indifferent;
    for (std::size_t i = 0; i < rerun->outputs.size(); ++i) {
      const at::Tensor& output = rerun->outputs[i];
      if (!output.defined()) continue;
      rerun->places.push_back(i);
      defined.push_back(output);
      if (!torch::autograd::isDifferentiableType(output.scalar_type()))
        indifferent.push_back(output);
    }
    context->mark_non_differentiable(indifferent);
    context->set_materialize_grads(false);
    context->save_for_backward(inputs.vec());
    context->saved_data["rerun"] = c10::IValue::make_capsule(rerun);
    return defined;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto holder = context->saved_data["rerun"].toCapsule();
    const auto& rerun = static_cast<const Rerun&>(*holder);
    Tensors inputs = context->get_saved_variables();
    for (at::Tensor& input : inputs) {
      if (!input.defined()) continue;
      const bool wanted = input.requires_grad();
      input = input.detach();
      input.set_requires_grad(wanted);
    }
    Tensors outputs;
    {
      at::AutoGradMode with_graph(true);
      outputs = rerun.again(inputs);
    }
    variable_list roots, seeds;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const at::Tensor& output = outputs[rerun.places[i]];
      if (!gradients[i].defined() || !output.requires_grad()) continue;
      roots.push_back(output);
      seeds.push_back(gradients[i]);
    }
    outputs.clear();
    if (!roots.empty()) torch::autograd::backward(roots, seeds);
    variable_list out(2);  // of rerun and anchor
    for (const at::Tensor& input : inputs) {
      out.push_back(input.defined() ? input.grad() : at::Tensor());
    }
    return out;
  }
};

}  // namespace

Tensors recomputed(const Tensors& inputs, const RunUnit& first, RunUnit again) {
  const auto rerun = c10::make_intrusive<Rerun>(&first, std::move(again));
  at::Tensor anchor = at::empty({0}, at::TensorOptions(at::kFloat));
  anchor.set_requires_grad(true);
  const variable_list made = Recompute::apply(rerun, anchor, at::TensorList(inputs));
  Tensors outputs = std::move(rerun->outputs);
  rerun->first = nullptr;
  for (std::size_t i = 0; i < made.size(); ++i) outputs[rerun->places[i]] = made[i];
  return outputs;
}

}  // namespace trainhost::train
