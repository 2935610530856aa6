// An optimizer step of the trainer: its micro-batches, and what becomes of it where memory runs
// out.
#include <ATen/ops/from_blob.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <sstream>

#include "host/train/exceptions.h"
#include "host/train/schedule.h"
#include "host/train/trainer.h"
#include "trainhost/error.h"

namespace trainhost::train {

namespace {

std::string short_text(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

constexpr Refusal kCannotBeginAnew = {"the strategy cannot begin a step anew",
                                      "lower train.batch (train.accumulate makes up for it)"};
constexpr Refusal kComparesRows = {
    "a smaller micro-batch would train something else: the loss compares its rows",
    "lower train.batch, or let the model compute the loss in pieces (sbert: mini_batch = N, which "
    "is GradCache)"};
constexpr Refusal kOneRow = {
    "one row is as few as there can be",
    "use strategy=zero3, with offload_optimizer and offload_parameters where that is not enough, "
    "train.activation_checkpointing = \"all\", or more devices"};

/// What the allocator keeps for later in pieces of the wrong size.
void give_back_cached_memory(at::Device device) {
  if (device.is_cpu()) return;
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  if (allocator != nullptr && allocator->initialized()) allocator->emptyCache();
}

}  // namespace

Loss Trainer::loss_of(int objective, const Batch& batch) {
  const Autocast precision = execution_.autocast();
  return parts_.rank.loss(objective, batch, execution_);
}

/// With each micro-batch as `next` gives it.
Trainer::StepTotals Trainer::compute(int objective, const NextBatch& next) {
  StepTotals totals;
  const std::int64_t micro_batches = order_.objective(objective).micro_batches;
  const double loss_scale =
      position_.loss_scales.empty() ? 1 : position_.loss_scales[objective].scale;
  parts_.session.begin_step(objective, static_cast<int>(micro_batches));
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    Batch batch = next(m);
    if (!parts_.device.device().is_cpu()) {
      for (at::Tensor& tensor : batch.tensors)
        tensor = tensor.to(parts_.device.device(), /*non_blocking=*/true);
    }
    if (!batch.row_reads.empty()) parts_.session.read_rows(batch.row_reads);
    execution_.begin_micro_batch(m + 1 == micro_batches, loss_scale);
    const Loss loss = loss_of(objective, batch);
    execution_.finish_micro_batch(loss.sum);
    if (loss.sum.defined()) totals.loss_sum += loss.sum.detach().item<double>();
    totals.weight += loss.weight;
  }
  return totals;
}

Trainer::StepTotals Trainer::run_micro_batches(int objective) {
  if (parts_.replay != nullptr) parts_.replay->begin();
  if (kept_) kept_->before_step(objective);
  StepTotals totals;
  std::exception_ptr out_of_memory;
  try {
    totals = compute(objective, [this](std::int64_t) { return prefetcher_->next(); });
  } catch (const std::exception& exception) {
    if (!may_back_off() || !is_out_of_memory(exception)) throw;
    // Ranks that compare their rows exchange as many as they have: none may have fewer at once.
    if (parts_.communicator.world() > 1 && !parts_.objectives[objective].rows_are_independent) {
      refuse_to_back_off(objective, kComparesRows);
    }
    out_of_memory = std::current_exception();
  }
  if (out_of_memory) {
    come_to_the_end(objective, out_of_memory);
    totals.short_of_memory = 1;
  }
  totals.stop = parts_.host.stop_signal() != 0 ? 1 : 0;
  if (parts_.communicator.world() > 1) {
    const at::Tensor sums = at::from_blob(&totals, {4}, at::kDouble);
    const at::Tensor data =
        parts_.device.device().is_cpu() ? sums : sums.to(parts_.device.device());
    wait(parts_.communicator.all_reduce(data, ReduceOp::kSum, Traffic::kHost));
    if (!data.is_alias_of(sums)) sums.copy_(data);
  }
  return totals;
}

/// A run that proves or measures something is to be as its plan says.
bool Trainer::may_back_off() const {
  return parts_.plan.train.on_out_of_memory == "halve" && parts_.prove_steps == 0 &&
         (parts_.communicator.world() == 1 || parts_.replay != nullptr);
}

void Trainer::refuse_to_back_off(int objective, const Refusal& refusal) const {
  throw Error(Failure::kDevice,
              {.where = place(objective, position_.step, order_.steps(objective, position_.epoch)),
               .what = std::string("the device has no memory left, and ") + refusal.why,
               .got = "a micro-batch of " +
                      std::to_string(order_.objective(objective).micro_batch) + " rows",
               .fix = refusal.fix});
}

/// The other ranks are in the middle of this step: so this one goes through it without rows.
void Trainer::come_to_the_end(int objective, const std::exception_ptr& out_of_memory) {
  if (!parts_.session.abandon_step()) std::rethrow_exception(out_of_memory);
  give_back_cached_memory(parts_.device.device());
  if (parts_.communicator.world() == 1) return;
  parts_.replay->again();
  try {
    compute(objective, [&](std::int64_t m) { return load(order_.without_rows(position_, m)); });
  } catch (const std::exception& exception) {
    if (is_out_of_memory(exception)) std::rethrow_exception(out_of_memory);
    throw;
  }
}

/// Some rank ran out of memory: the step begins anew, in smaller pieces.
void Trainer::back_off(int objective) {
  if (!parts_.session.abandon_step()) {
    refuse_to_back_off(objective, kCannotBeginAnew);
  }
  if (const std::string buffer = kept_->restore(); !buffer.empty()) {
    const std::string why = "its loss has written '" + buffer + "', as it did not before";
    refuse_to_back_off(objective, {why.c_str(), kCannotBeginAnew.fix});
  }
  prefetcher_.reset();
  give_back_cached_memory(parts_.device.device());
  const auto& [source, effective_batch, micro_batch, micro_batches] = order_.objective(objective);
  std::string change;
  if (!parts_.objectives[objective].rows_are_independent) {
    if (!parts_.rank.split_work(objective)) {
      refuse_to_back_off(objective, kComparesRows);
    }
    change = "its micro-batches are computed in smaller pieces";
  } else {
    const std::int64_t rows = micro_batch, count = micro_batches;
    if (!order_.halve(objective)) {
      refuse_to_back_off(objective, kOneRow);
    }
    change = "the micro-batch is halved, " + std::to_string(rows) + " → " +
             std::to_string(micro_batch) + " rows a rank, accumulate " + std::to_string(count) +
             " → " + std::to_string(micro_batches);
  }
  back_offs_.push_back({objectives_[objective].name, global_step(), micro_batch, micro_batches});
  start_loading();
  if (parts_.host.rank() == 0) {
    const std::int64_t steps = order_.steps(objective, position_.epoch);
    parts_.host.log(Host::Level::kWarning,
                    place(objective, position_.step, steps) + ": out of memory; " + change +
                        "; the effective batch stays " + std::to_string(effective_batch) +
                        ", the step begins anew");
  }
}

void Trainer::run_step(int objective, std::int64_t step, std::int64_t steps) {
  const Objective& current = objectives_[objective];
  parts_.host.doing(place(objective, step, steps));
  StepTotals totals = run_micro_batches(objective);
  while (totals.short_of_memory > 0) {
    back_off(objective);
    totals = run_micro_batches(objective);
  }
  if (kept_) kept_->after_losses();
  const bool scaled = !position_.loss_scales.empty();
  if (!std::isfinite(totals.loss_sum) && !scaled) {
    throw Error(Failure::kRun,
                {.where = place(objective, step, steps),
                 .what = "the loss is no longer finite",
                 .got = std::to_string(totals.loss_sum),
                 .fix = "lower optimizer.lr, add a warm-up (optimizer.warmup) or clip gradients "
                        "(train.clip_norm)"});
  }
  StepRequest request;
  request.objective = objective;
  request.divisor = totals.weight * (scaled ? position_.loss_scales[objective].scale : 1);
  request.check_overflow = scaled;
  request.lr = scheduled_lr(parts_.plan.optimizer, current.plan->lr,
                            position_.global_steps[objective], current.total_steps);
  request.clip_norm = parts_.plan.train.clip_norm;
  const StepResult result = parts_.session.step(request);
  if (scaled) follow_loss_scale(objective, place(objective, step, steps), result.overflow);
  ++position_.step;
  ++position_.global_steps[objective];
  last_loss_ = totals.weight > 0 ? totals.loss_sum / totals.weight : telemetry::kNone;
  count_step(objective);
  report_step(objective, steps, request.lr, result);
  if (totals.stop > 0) interrupted_ = true;
}

void Trainer::follow_loss_scale(int objective, const std::string& place, bool overflow) {
  checkpoint::LossScale& scale = position_.loss_scales[objective];
  const double before = scale.scale;
  if (!scale.update(overflow)) {
    throw Error(Failure::kRun, {.where = place,
                                .what = "gradients overflow 16 bits with the smallest loss scale",
                                .got = short_text(before),
                                .fix = "use precision=bf16 or fp32, or lower optimizer.lr"});
  }
  if (overflow && parts_.host.rank() == 0) {
    parts_.host.log(Host::Level::kInfo, place + ": gradients overflowed, so nothing was updated; " +
                                            "loss scale " + short_text(before) + " → " +
                                            short_text(scale.scale));
  }
}

}  // namespace trainhost::train
