#include "trainhost/replica.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "trainhost/error.h"
#include "trainhost/flat_layout.h"

namespace trainhost {
namespace {

void initialise(const Initializer& initializer, at::Tensor& tensor) {
  if (tensor.is_cpu()) {
    initializer(tensor);
    return;
  }
  at::Tensor values = at::empty(tensor.sizes(), at::TensorOptions(tensor.scalar_type()));
  initializer(values);
  tensor.copy_(values);
}

}  // namespace

Replica::Replica(const AttachContext& context, const Settings& settings) : context_(context) {
  c10::NoGradGuard no_grad;
  const int units = static_cast<int>(context_.model.units.size());
  for (int unit = 0; unit < units; ++unit) allocate_unit(unit, settings);
  for (int unit = 0; unit < units; ++unit) resolve_borrowed(unit);
}

Replica::~Replica() = default;

bool Replica::used_by(int objective, int unit) const {
  const std::vector<int>& units = context_.objectives[objective].units;
  return std::find(units.begin(), units.end(), unit) != units.end();
}

void Replica::allocate_unit(int index, const Settings& settings) {
  const UnitSpec& unit = context_.model.units[index];
  lent_.emplace_back();
  by_unit_.emplace_back();
  if (settings.same_parameters_as != nullptr) {
    const auto& others = settings.same_parameters_as->by_unit_[index];
    for (std::size_t i = 0; i < unit.parameters.size(); ++i) {
      add_parameter(index, unit.parameters[i], others[i]->values, false);
    }
  } else {
    const FlatLayout layout = flat_layout(unit);
    const auto bytes_of_the_device = at::TensorOptions(at::kByte).device(context_.device.device());
    const at::Tensor bytes = settings.allocate ? settings.allocate(index)
                                               : at::zeros({layout.bytes}, bytes_of_the_device);
    for (std::size_t i = 0; i < unit.parameters.size(); ++i) {
      const ParameterSpec& spec = unit.parameters[i];
      add_parameter(index, spec,
                    bytes.narrow(0, layout.offsets[i], byte_count(spec)).view(spec.dtype), true);
    }
    if (settings.initialised) settings.initialised(index);
  }
  add_buffers(index);
}

void Replica::add_parameter(int unit, const ParameterSpec& spec, at::Tensor values,
                            bool initialize) {
  Parameter& parameter = parameters_.emplace_back();
  parameter.name = full_name(context_.model.units[unit], spec.name);
  parameter.spec = &spec;
  parameter.unit = unit;
  parameter.group = group_index(context_.model, spec.group);
  parameter.values = std::move(values);
  parameter.leaf = parameter.values.view(spec.shape).detach();
  if (initialize) initialise(spec.initialize, parameter.leaf);
  parameter.leaf.set_requires_grad(spec.requires_grad);
  if (spec.requires_grad) hook(parameter);
  parameter.histories.resize(context_.objectives.size());
  by_unit_[unit].push_back(&parameter);
  by_name_[parameter.name] = parameter.leaf;
  lent_[unit].parameters.push_back(parameter.leaf);
}

void Replica::add_buffers(int index) {
  const UnitSpec& unit = context_.model.units[index];
  for (const BufferSpec& spec : unit.buffers) {
    at::Tensor buffer =
        at::empty(spec.shape, at::TensorOptions(spec.dtype).device(context_.device.device()));
    initialise(spec.initialize, buffer);
    buffers_.emplace_back(full_name(unit, spec.name), buffer);
    by_name_[full_name(unit, spec.name)] = buffer;
    lent_[index].buffers.push_back(buffer);
  }
}

/// The host has checked that some unit declares every borrowed name.
void Replica::resolve_borrowed(int index) {
  std::vector<int>& needed = needed_.emplace_back(1, index);
  std::vector<Parameter*>& reads = read_by_.emplace_back();
  std::ranges::copy_if(by_unit_[index], std::back_inserter(reads),
                       [](const Parameter* own) { return own->spec->requires_grad; });
  for (const std::string& name : context_.model.units[index].borrows) {
    lent_[index].borrowed.push_back(by_name_.at(name));
    const auto owner = std::ranges::find(parameters_, name, &Parameter::name);
    if (owner == parameters_.end()) continue;  // a buffer
    if (owner->spec->requires_grad) reads.push_back(&*owner);
    if (std::ranges::find(needed, owner->unit) == needed.end()) needed.push_back(owner->unit);
  }
}

void Replica::hook(Parameter& parameter) {
  auto accumulator = torch::autograd::impl::grad_accumulator(parameter.leaf);
  accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
      [this, &parameter](const auto& outputs, const auto& inputs) {
        if (!inputs[0].defined()) return outputs;  // no gradient came, and none was accumulated
        parameter.touched = true;
        const bool in_view = first_ == First::kOverwrite && !parameter.earlier.defined();
        if (in_view) move_into_view(parameter);
        count_arrival(parameter);
        return outputs;
      }));
  accumulators_.push_back(std::move(accumulator));
}

const StrategySession::Lent& Replica::lend(int unit, Pass pass) {
  count_run(unit, pass);
  return lent_[unit];
}

void Replica::count_run(int unit, Pass pass) {
  for (Parameter* parameter : read_by_[unit]) {
    if (pass == Pass::kGraph) parameter->in_graph = true;
    if (pass == Pass::kFirst) ++parameter->to_run_again;
    if (pass == Pass::kAgain) --parameter->to_run_again;
  }
}

/// All runs with a graph are one graph, which accumulates a parameter's gradient once; each unit
/// that runs again has a graph of its own.
void Replica::before_backward() {
  for (Parameter& parameter : parameters_) {
    parameter.expected = (parameter.in_graph ? 1 : 0) + parameter.to_run_again;
    parameter.arrived = 0;
    parameter.complete = false;
    // The pieces are added to each other first, as autograd does where they are in one graph.
    if (parameter.expected > 1) {
      parameter.earlier = std::exchange(parameter.leaf.mutable_grad(), at::Tensor());
    }
  }
  for (Parameter& parameter : parameters_) {
    if (parameter.spec->requires_grad && parameter.expected == 0) complete(parameter);
  }
}

void Replica::after_backward(Backward which) {
  for (Parameter& parameter : parameters_) add_to_earlier(parameter);
  if (which == Backward::kPart) return;
  for (Parameter& parameter : parameters_) {
    parameter.in_graph = false;
    parameter.to_run_again = 0;
  }
}

void Replica::complete(int unit) {
  for (Parameter* parameter : by_unit_[unit]) {
    if (parameter->spec->requires_grad) complete(*parameter);
  }
}

void Replica::complete(Parameter& parameter) {
  if (std::exchange(parameter.complete, true)) return;
  add_to_earlier(parameter);
  if (callback_) callback_(parameter);
}

void Replica::add_to_earlier(Parameter& parameter) {
  if (!parameter.earlier.defined()) return;
  c10::NoGradGuard no_grad;
  at::Tensor& gradient = parameter.leaf.mutable_grad();
  at::Tensor sum = std::exchange(parameter.earlier, at::Tensor());
  if (gradient.defined()) sum = sum.is_sparse() ? gradient.add_(sum) : sum.add_(gradient);
  gradient = sum;
}

void Replica::count_arrival(Parameter& parameter) {
  ++parameter.arrived;
  if (parameter.complete && callback_) {
    throw Error(Failure::kPlugin,
                {.where = "backward of '" + parameter.name + "'",
                 .what = "a gradient came after the last one that the units' runs announce",
                 .expected = std::to_string(parameter.expected),
                 .got = std::to_string(parameter.arrived),
                 .fix = "the model reads the parameter outside of Execution::run, or in a unit "
                        "that neither owns nor borrows it: tell its author"});
  }
  if (parameter.arrived == parameter.expected) complete(parameter);
}

/// After the first gradient of a step, which autograd handed over as a tensor of its own.
void Replica::move_into_view(Parameter& parameter) {
  const at::Tensor& made = parameter.leaf.grad();
  if (!made.is_sparse() && made.is_alias_of(parameter.gradient)) return;
  c10::NoGradGuard no_grad;
  const at::Tensor view = parameter.gradient.view(parameter.spec->shape);
  if (made.is_sparse()) {
    view.zero_().add_(made);
  } else {
    view.copy_(made);
  }
  parameter.leaf.mutable_grad() = view;
  parameter.stale = false;
}

void Replica::bind_gradients(int unit, const at::Tensor& bytes, First first) {
  first_ = first;
  const FlatLayout layout = flat_layout(context_.model.units[unit]);
  for (std::size_t i = 0; i < by_unit_[unit].size(); ++i) {
    Parameter& parameter = *by_unit_[unit][i];
    if (!parameter.spec->requires_grad) continue;
    parameter.gradient =
        bytes.narrow(0, layout.offsets[i], byte_count(*parameter.spec)).view(parameter.spec->dtype);
    if (first == First::kAdd) {
      parameter.leaf.mutable_grad() = parameter.gradient.view(parameter.spec->shape);
    }
  }
}

void Replica::agree_on_touched() {
  if (context_.communicator.world() == 1) return;
  at::Tensor flags =
      at::zeros({static_cast<std::int64_t>(parameters_.size())}, at::TensorOptions(at::kByte));
  std::uint8_t* flag = flags.mutable_data_ptr<std::uint8_t>();
  for (std::size_t p = 0; p < parameters_.size(); ++p) flag[p] = parameters_[p].touched ? 1 : 0;
  const at::Tensor agreed = flags.to(context_.device.device());
  wait(context_.communicator.all_reduce(agreed, ReduceOp::kMax, Traffic::kStrategy));
  if (!agreed.is_alias_of(flags)) flags.copy_(agreed);
  for (std::size_t p = 0; p < parameters_.size(); ++p) parameters_[p].touched = flag[p] != 0;
}

StepResult Replica::update(const StepRequest& request,
                           const std::function<void(int unit)>& updated) {
  c10::NoGradGuard no_grad;
  const std::vector<SliceGradient> gradients = touched_slices(request.objective);
  const Measured measured = measure(context_, gradients, request, Held::kAll);
  if (!updated) {
    step(context_, gradients, request, measured);
  } else {
    std::span<const SliceGradient> rest(gradients);
    for (int unit = 0; unit < static_cast<int>(by_unit_.size()); ++unit) {
      if (!used_by(request.objective, unit)) continue;
      const auto own = std::ranges::count_if(by_unit_[unit], &Parameter::touched);
      step(context_, rest.first(own), request, measured);
      rest = rest.subspan(own);
      updated(unit);
    }
  }
  clear_gradients(request.objective);
  return measured.result;
}

void Replica::clear_gradients(int objective) {
  for (Parameter& parameter : parameters_) {
    if (!used_by(objective, parameter.unit)) continue;
    if (!parameter.gradient.defined()) {
      parameter.leaf.mutable_grad() = at::Tensor();
    } else if (first_ == First::kOverwrite) {
      parameter.leaf.mutable_grad() = at::Tensor();
      parameter.stale = parameter.stale || parameter.touched;
    } else if (parameter.touched) {
      parameter.gradient.zero_();
    }
    parameter.touched = false;
  }
}

void Replica::abandon() {
  c10::NoGradGuard no_grad;
  for (Parameter& parameter : parameters_) {
    parameter.in_graph = parameter.complete = parameter.touched = false;
    parameter.to_run_again = parameter.expected = parameter.arrived = 0;
    parameter.earlier = at::Tensor();
    at::Tensor& gradient = parameter.leaf.mutable_grad();
    gradient = at::Tensor();
    if (!parameter.gradient.defined()) continue;
    // What a backward has written there is not known.
    if (first_ == First::kOverwrite) {
      parameter.stale = true;
    } else {
      parameter.gradient.zero_();
      gradient = parameter.gradient.view(parameter.spec->shape);
    }
  }
}

std::vector<StateSlice> Replica::state(bool for_loading, States states) {
  std::vector<StateSlice> out;
  for (Parameter& parameter : parameters_) {
    out.push_back(
        {"parameter/" + parameter.name, parameter.spec->shape, 0, parameter.values, true});
    if (states == States::kWithoutOptimizer) continue;
    append_optimizer_state(context_, parameter, for_loading, Held::kAll, out);
  }
  append_buffers(out);
  return out;
}

void Replica::append_buffers(std::vector<StateSlice>& out) const {
  for (const auto& [name, buffer] : buffers_) {
    out.push_back({"buffer/" + name, buffer.sizes().vec(), 0, buffer.view(-1), true});
  }
}

void Replica::visit(const Visit& visit) const {
  for (int unit = 0; unit < static_cast<int>(by_unit_.size()); ++unit) {
    visit_parameters(unit, visit);
  }
  visit_buffers(visit);
}

void Replica::visit_parameters(int unit, const Visit& visit) const {
  for (const Parameter* parameter : by_unit_[unit]) {
    visit(parameter->name, parameter->leaf.detach());
  }
}

void Replica::visit_buffers(const Visit& visit) const {
  for (const auto& [name, buffer] : buffers_) visit(name, buffer);
}

void Replica::require_announced(int objective) const {
  for (const Parameter& parameter : parameters_) {
    if (!parameter.touched || used_by(objective, parameter.unit)) continue;
    throw Error(Failure::kPlugin,
                {.where = "objective '" + context_.objectives[objective].name + "'",
                 .what = "gives '" + parameter.name + "' a gradient, but does not name its unit",
                 .fix = "this is a fault of the model's objectives(): tell its author"});
  }
}

std::vector<SliceGradient> Replica::touched_slices(int objective) {
  require_announced(objective);
  std::vector<SliceGradient> out;
  for (Parameter& parameter : parameters_) {
    if (!parameter.touched) continue;
    out.push_back({&parameter, parameter.gradient.defined()
                                   ? parameter.gradient
                                   : parameter.leaf.grad().contiguous().view({-1})});
  }
  return out;
}

}  // namespace trainhost
