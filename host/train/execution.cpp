#include "host/train/execution.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "host/train/recompute.h"
#include "trainhost/error.h"

namespace trainhost::train {

void RankExecution::begin_micro_batch(bool last_batch, double loss_scale) {
  training_ = true;
  loss_scale_ = loss_scale;
  last_batch_ = last_batch;
  reduced_ = false;
  collectives_.forget();
}

void RankExecution::finish_micro_batch(const at::Tensor& loss_sum) {
  if (reduced_) return;
  const bool has_graph = loss_sum.defined() && loss_sum.requires_grad();
  backward(has_graph ? Tensors{loss_sum} : Tensors{}, {}, true);
}

Tensors RankExecution::run(int unit, const UnitFunction& function, const Tensors& inputs) {
  // A model may train without a graph for a while (GradCache's first pass): then no backward will
  // come through this unit, and the strategy is to know.
  const bool graph = training_ && c10::GradMode::is_enabled();
  if (!graph) return run_as(Pass::kNoGraph, unit, function, inputs);
  const bool again = !economies_.recompute.empty() && economies_.recompute[unit];
  return again ? run_to_recompute(unit, function, inputs)
               : run_as(Pass::kGraph, unit, function, inputs);
}

Tensors RankExecution::run_as(Pass pass, int unit, const UnitFunction& function,
                              const Tensors& inputs) {
  const StrategySession::Lent lent = session_.before_unit(unit, pass);
  const Autocast precision = autocast();
  at::AutoGradMode grad(pass == Pass::kGraph || pass == Pass::kAgain);
  Tensors outputs = function(UnitTensors(lent.parameters, lent.buffers, lent.borrowed), inputs);
  return session_.after_unit(unit, std::move(outputs), pass);
}

/// What the strategy does to the outputs is to happen in backward before the unit runs again.
Tensors RankExecution::run_to_recompute(int unit, const UnitFunction& function,
                                        const Tensors& inputs) {
  const StrategySession::Lent lent = session_.before_unit(unit, Pass::kFirst);
  Tensors outputs = recomputed(
      inputs,
      [&](const Tensors& given) {
        const Autocast precision = autocast();
        return function(UnitTensors(lent.parameters, lent.buffers, lent.borrowed), given);
      },
      [this, unit, function](const Tensors& given) {
        return run_as(Pass::kAgain, unit, function, given);
      });
  return session_.after_unit(unit, std::move(outputs), Pass::kFirst);
}

Tensors RankExecution::seeds(const Tensors& outputs, const Tensors& gradients) const {
  if (loss_scale_ == 1) return gradients;
  Tensors scaled = gradients;
  scaled.resize(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!scaled[i].defined()) scaled[i] = at::full_like(outputs[i], loss_scale_);
  }
  return scaled;
}

void RankExecution::backward(const Tensors& outputs, const Tensors& gradients, bool last) {
  if (reduced_) {
    throw Error(Failure::kPlugin, {.where = "Execution::backward",
                                   .what = "called again after the call marked last",
                                   .fix = "mark only the last backward of a micro-batch"});
  }
  const auto which = !last         ? Backward::kPart
                     : last_batch_ ? Backward::kLastOfStep
                                   : Backward::kLastOfBatch;
  session_.before_backward(which);
  if (collectives_.outstanding()) session_.hold(true);
  if (!outputs.empty()) {
    const Autocast none(device_.type(), {});
    torch::autograd::backward(outputs, seeds(outputs, gradients));
  }
  if (collectives_.outstanding()) session_.hold(false);
  session_.after_backward(which);
  reduced_ = last;
}

at::Tensor RankExecution::all_gather(const at::Tensor& rows,
                                     std::span<const std::int64_t> rows_of) {
  return collectives_.all_gather(rows, rows_of);
}

at::Tensor RankExecution::reduce_scatter(const at::Tensor& rows,
                                         std::span<const std::int64_t> rows_of) {
  return collectives_.reduce_scatter(rows, rows_of);
}

at::Tensor RankExecution::all_reduce(const at::Tensor& value) {
  return collectives_.all_reduce(value);
}

void RankExecution::sum_over_ranks(std::span<double> values) {
  if (world() == 1) return;
  const at::Tensor local =
      at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, at::kDouble);
  const at::Tensor sum = device_.is_cpu() ? local : local.to(device_);
  wait(communicator_.all_reduce(sum, ReduceOp::kSum, Traffic::kModel));
  if (!device_.is_cpu()) local.copy_(sum);
}

}  // namespace trainhost::train
