#include "trainhost/optimized_slice.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "trainhost/exact_sum.h"

namespace trainhost {
namespace {

void sum_over_ranks(const AttachContext& context, ExactSum& sum) {
  if (context.communicator.world() == 1) return;
  const at::Tensor digits = at::from_blob(sum.digits().data(), {ExactSum::size()}, at::kLong);
  const at::Tensor there = digits.to(context.device.device());
  wait(context.communicator.all_reduce(there, ReduceOp::kSum, Traffic::kStrategy));
  if (!there.is_alias_of(digits)) digits.copy_(there);
}

bool is_16_bit(const OptimizedSlice& slice) { return slice.values.element_size() == 2; }

bool needs_master(const OptimizedSlice& slice) {
  return is_16_bit(slice) ||
         (slice.memory != nullptr && slice.memory->device.type() != slice.values.device().type());
}

at::Tensor make_flat(const OptimizedSlice& slice) {
  const std::int64_t count = slice.values.numel();
  if (slice.memory != nullptr) return slice.memory->allocate(count, at::kFloat);
  return at::empty({count}, slice.values.options().dtype(at::kFloat));
}

void make_history(const AttachContext& context, const OptimizedSlice& slice,
                  OptimizedSlice::History& history) {
  if (history.updates.defined()) return;
  history.updates = at::zeros({1}, at::TensorOptions(at::kLong));
  for (const OptimizerStateSpec& state : context.optimizer.states()) {
    history.states.push_back(make_flat(slice).fill_(state.initial));
  }
}

void make_master(OptimizedSlice& slice) {
  if (slice.master.defined() || !needs_master(slice)) return;
  slice.master = make_flat(slice).copy_(slice.values);
}

ParameterSlice parameter_slice(const SliceGradient& of, OptimizedSlice::History* history) {
  OptimizedSlice& slice = *of.slice;
  ParameterSlice out;
  out.name = &slice.name;
  out.offset = slice.offset;
  out.parameter = slice.master.defined() ? slice.master : slice.values;
  out.gradient = of.gradient;
  out.group = slice.group;
  if (history == nullptr) return out;
  out.states = &history->states;
  out.step = *history->updates.const_data_ptr<std::int64_t>();
  return out;
}

/// Copies between devices do not hold up this rank: the host's end of them is pinned.
void write_back(OptimizedSlice& slice) {
  at::Tensor rounded = slice.master;
  if (is_16_bit(slice) && slice.master.is_cpu() && !slice.values.is_cpu()) {
    rounded = at::empty(slice.values.sizes(),
                        at::TensorOptions(slice.values.scalar_type()).pinned_memory(true));
    rounded.copy_(slice.master);
  }
  slice.values.copy_(rounded, /*non_blocking=*/true);
}

/// One by one, so that only one gradient and no parameter is there twice.
void step_master(const AttachContext& context, const SliceGradient& of, ParameterSlice slice,
                 const StepRequest& request, const Measured& measured) {
  slice.gradient = of.gradient.to(slice.parameter.device(), at::kFloat);
  context.optimizer.step({&slice, 1}, request.lr, measured.divisor);
  write_back(*of.slice);
}

}  // namespace

Measured measure(const AttachContext& context, std::span<const SliceGradient> gradients,
                 const StepRequest& request, Held held) {
  Measured out{{}, request.divisor};
  if (request.clip_norm <= 0 && !request.check_overflow) return out;
  ExactSum squares;
  for (const SliceGradient& of : gradients) {
    context.optimizer.add_squares(parameter_slice(of, nullptr), squares);
  }
  if (held == Held::kSome) sum_over_ranks(context, squares);
  const double norm = std::sqrt(squares.value()) / request.divisor;
  // Of the sum: without any rows the norm is 0 / 0.
  out.result.overflow = request.check_overflow && !std::isfinite(squares.value());
  out.result.gradient_norm = norm;
  if (request.clip_norm > 0) out.divisor *= std::max(1.0, (norm + 1e-6) / request.clip_norm);
  return out;
}

void step(const AttachContext& context, std::span<const SliceGradient> gradients,
          const StepRequest& request, const Measured& measured) {
  if (measured.result.overflow || request.divisor <= 0) return;
  c10::NoGradGuard no_grad;
  std::vector<ParameterSlice> slices;
  for (const SliceGradient& of : gradients) {
    OptimizedSlice::History& history = of.slice->histories[request.objective];
    make_master(*of.slice);
    make_history(context, *of.slice, history);
    history.updates.add_(1);
    const ParameterSlice slice = parameter_slice(of, &history);
    if (of.slice->master.defined()) {
      step_master(context, of, slice, request, measured);
    } else {
      slices.push_back(slice);
    }
  }
  if (!slices.empty()) context.optimizer.step(slices, request.lr, measured.divisor);
}

void append_optimizer_state(const AttachContext& context, OptimizedSlice& slice, bool for_loading,
                            Held held, std::vector<StateSlice>& out) {
  if (!slice.spec->requires_grad) return;
  const bool all = held == Held::kAll;
  const auto add = [&](const std::string& prefix, const at::Tensor& data) {
    out.push_back({prefix + "/" + slice.name, slice.spec->shape, slice.offset, data, all});
  };
  if (is_16_bit(slice)) {
    make_master(slice);
    add("master", slice.master);
  } else if (for_loading) {
    // It has the values' bits: made again from what is loaded.
    slice.master = at::Tensor();
  }
  const auto states = context.optimizer.states();
  for (std::size_t o = 0; o < slice.histories.size(); ++o) {
    const ObjectiveSpec& objective = context.objectives[o];
    if (std::ranges::find(objective.units, slice.unit) == objective.units.end()) continue;
    OptimizedSlice::History& history = slice.histories[o];
    if (for_loading) make_history(context, slice, history);
    if (!history.updates.defined()) continue;
    // Made for loading and not found there: a run that was not interrupted has no such states.
    const bool unused = *history.updates.const_data_ptr<std::int64_t>() == 0;
    if (!for_loading && unused) continue;
    const std::string prefix = "optimizer/" + objective.name + "/";
    if (all || for_loading || slice.offset == 0) {
      out.push_back({prefix + "updates/" + slice.name, {1}, 0, history.updates, all});
    }
    for (std::size_t s = 0; s < states.size(); ++s) {
      add(prefix + states[s].name, history.states[s]);
    }
  }
}

}  // namespace trainhost
