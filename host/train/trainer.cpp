#include "host/train/trainer.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "host/train/clock.h"
#include "host/train/schedule.h"
#include "trainhost/error.h"

namespace trainhost::train {
Trainer::Trainer(const Parts& parts)
    : parts_(parts),
      execution_(parts.session, parts.communicator, parts.device.device(),
                 static_cast<std::uint64_t>(parts.plan.train.seed)) {
  for (std::size_t o = 0; o < parts.objectives.size(); ++o) {
    Objective& objective = objectives_.emplace_back();
    objective.name = parts.objectives[o].name;
    objective.plan = &parts.plan.objectives.at(o);
    objective.source = parts.rank.batches(static_cast<int>(o));
    for (std::int64_t epoch = 0; epoch < parts.plan.train.epochs; ++epoch) {
      objective.total_steps += objective.source->steps(epoch, objective.plan->effective_batch);
    }
  }
  position_.global_steps.assign(objectives_.size(), 0);
}

void Trainer::resume(const std::string& folder) {
  std::vector<StateSlice> state = parts_.session.state(true);
  c10::NoGradGuard no_grad;
  const checkpoint::Loaded loaded =
      checkpoint::load(folder, state,
                       {parts_.plan.model.id, parts_.plan.strategy.id, parts_.communicator.world(),
                        parts_.plan.train.seed});
  parts_.session.state_loaded();
  position_ = loaded.position;
  if (position_.global_steps.size() != objectives_.size() ||
      position_.objective > static_cast<std::int64_t>(objectives_.size())) {
    throw Error(Failure::kUser, {.where = folder + "/manifest.json",
                                 .what = "the checkpoint has other objectives than the model",
                                 .expected = std::to_string(objectives_.size()),
                                 .got = std::to_string(position_.global_steps.size())});
  }
  last_saved_step_ = global_step();
  if (parts_.host.rank() == 0) {
    parts_.host.log(Host::Level::kInfo, "resumed from " + folder + " (epoch " +
                                            std::to_string(position_.epoch + 1) + ", step " +
                                            std::to_string(global_step()) + ", written by " +
                                            loaded.identity.strategy + " with " +
                                            std::to_string(loaded.identity.world) + " ranks)");
  }
}

std::int64_t Trainer::global_step() const {
  std::int64_t sum = 0;
  for (const std::int64_t steps : position_.global_steps) sum += steps;
  return sum;
}

std::optional<LoadRequest> Trainer::following_request() {
  const auto& train = parts_.plan.train;
  while (loading_.epoch < train.epochs) {
    if (loading_.objective == static_cast<std::int64_t>(objectives_.size())) {
      loading_.objective = 0;
      ++loading_.epoch;
      continue;
    }
    const Objective& objective = objectives_[loading_.objective];
    const std::int64_t effective = objective.plan->effective_batch;
    if (loading_.step < objective.source->steps(loading_.epoch, effective)) {
      const std::int64_t rows = objective.source->rows(loading_.epoch, loading_.step, effective);
      const std::int64_t batch = objective.plan->batch_per_rank;
      const std::int64_t world = parts_.communicator.world();
      const auto cut = [&](std::int64_t row) { return std::min(rows, row); };
      const std::int64_t first = loading_micro_batch_ * world * batch;
      const std::int64_t mine = first + parts_.communicator.rank() * batch;
      LoadRequest request;
      request.objective = static_cast<int>(loading_.objective);
      request.slice = {loading_.epoch, loading_.step,     loading_.global_steps[loading_.objective],
                       cut(mine),      cut(mine + batch), cut(first + batch) - cut(first)};
      if (++loading_micro_batch_ == train.accumulate) {
        loading_micro_batch_ = 0;
        ++loading_.step;
        ++loading_.global_steps[loading_.objective];
      }
      return request;
    }
    loading_.step = 0;
    ++loading_.objective;
  }
  return std::nullopt;
}

Batch Trainer::load(const LoadRequest& request) {
  const Objective& objective = objectives_[request.objective];
  return objective.source->load(request.slice, objective.plan->effective_batch);
}

void Trainer::start_loading() {
  loading_ = position_;
  loading_micro_batch_ = 0;
  const int workers = static_cast<int>(std::max<std::int64_t>(1, parts_.plan.train.workers));
  prefetcher_ = std::make_unique<Prefetcher>(
      workers, 2 * workers + 2, [this] { return following_request(); },
      [this](const LoadRequest& request) { return load(request); });
}

bool Trainer::should_stop_now() const {
  const std::int64_t limit = parts_.plan.train.max_steps;
  return interrupted_ || stopped_early_ || (limit > 0 && global_step() >= limit);
}

void Trainer::run() {
  start_loading();
  report_ready();
  warn_of_little_data();
  parts_.host.training_has_begun();
  training_since_ = reported_at_ = now();
  while (position_.epoch < parts_.plan.train.epochs && !should_stop_now()) run_epoch();
  report_training_time();
  prefetcher_.reset();
  if (!interrupted_ && evaluated_step_ != global_step()) evaluate();
  if (last_saved_step_ != global_step()) save_checkpoint();
  send_summary(interrupted_);
}

void Trainer::run_epoch() {
  const std::int64_t epoch = position_.epoch;
  const bool from_its_begin = position_.objective == 0 && position_.step == 0;
  execution_.begin_inference();
  if (from_its_begin) parts_.rank.begin_epoch(epoch, execution_);
  while (position_.objective < static_cast<std::int64_t>(objectives_.size())) {
    if (!run_objective(static_cast<int>(position_.objective))) return;
    position_.step = 0;
    ++position_.objective;
  }
  if (interrupted_) return;
  execution_.begin_inference();
  parts_.host.doing("end of epoch " + std::to_string(epoch + 1));
  parts_.rank.end_epoch(epoch, execution_);
  position_.objective = 0;
  ++position_.epoch;
  const auto& train = parts_.plan.train;
  const bool last = position_.epoch == train.epochs;
  const auto due = [&](std::int64_t every) { return every > 0 && position_.epoch % every == 0; };
  report_training_time();
  if (last || due(train.eval_every)) evaluate();
  if (last || due(train.checkpoint_every) || stopped_early_) save_checkpoint();
  training_since_ = reported_at_ = now();
}

/// False when the run is to end before the objective's last step.
bool Trainer::run_objective(int objective) {
  const Objective& current = objectives_[objective];
  const std::int64_t steps = current.source->steps(position_.epoch, current.plan->effective_batch);
  while (position_.step < steps) {
    if (should_stop_now()) return false;
    run_step(objective, position_.step, steps);
  }
  return true;
}

std::string Trainer::place(int objective, std::int64_t step, std::int64_t steps) const {
  return "training, epoch " + std::to_string(position_.epoch + 1) + ", " +
         objectives_[objective].name + ", step " + std::to_string(step + 1) + "/" +
         std::to_string(steps);
}

Trainer::StepTotals Trainer::run_micro_batches(int objective) {
  StepTotals totals;
  const auto micro_batches = static_cast<int>(parts_.plan.train.accumulate);
  parts_.session.begin_step(objective, micro_batches);
  for (int m = 0; m < micro_batches; ++m) {
    Batch batch = prefetcher_->next();
    if (!parts_.device.device().is_cpu()) {
      for (at::Tensor& tensor : batch.tensors) tensor = tensor.to(parts_.device.device());
    }
    if (!batch.row_reads.empty()) parts_.session.read_rows(batch.row_reads);
    execution_.begin_micro_batch(m + 1 == micro_batches);
    const Loss loss = parts_.rank.loss(objective, batch, execution_);
    execution_.finish_micro_batch(loss.sum);
    if (loss.sum.defined()) totals.loss_sum += loss.sum.detach().item<double>();
    totals.weight += loss.weight;
  }
  totals.stop = parts_.host.stop_signal() != 0 ? 1 : 0;
  if (parts_.communicator.world() > 1) {
    const at::Tensor sums = at::from_blob(&totals, {3}, at::kDouble);
    const at::Tensor data =
        parts_.device.device().is_cpu() ? sums : sums.to(parts_.device.device());
    wait(parts_.communicator.all_reduce(data, ReduceOp::kSum, Traffic::kHost));
    if (!data.is_alias_of(sums)) sums.copy_(data);
  }
  return totals;
}

void Trainer::run_step(int objective, std::int64_t step, std::int64_t steps) {
  const Objective& current = objectives_[objective];
  parts_.host.doing(place(objective, step, steps));
  const StepTotals totals = run_micro_batches(objective);
  if (!std::isfinite(totals.loss_sum)) {
    throw Error(Failure::kRun,
                {.where = place(objective, step, steps),
                 .what = "the loss is no longer finite",
                 .got = std::to_string(totals.loss_sum),
                 .fix = "lower optimizer.lr, add a warm-up (optimizer.warmup) or clip gradients "
                        "(train.clip_norm)"});
  }
  StepRequest request;
  request.objective = objective;
  request.weight = totals.weight;
  request.lr = scheduled_lr(parts_.plan.optimizer, current.plan->lr,
                            position_.global_steps[objective], current.total_steps);
  request.clip_norm = parts_.plan.train.clip_norm;
  const StepResult result = parts_.session.step(request);
  ++position_.step;
  ++position_.global_steps[objective];
  report_step(objective, steps, totals, request.lr, result);
  if (totals.stop > 0) interrupted_ = true;
}

void Trainer::evaluate() {
  parts_.host.doing("evaluating after epoch " + std::to_string(position_.epoch));
  const double begin = now();
  execution_.begin_inference();
  const Evaluation evaluation = parts_.rank.evaluate(execution_);
  evaluated_step_ = global_step();
  double watched = 0;
  for (const Metric& metric : evaluation.metrics) {
    position_.last_metrics[metric.name] = metric.value;
    if (!std::isnan(metric.baseline)) position_.baseline_metrics[metric.name] = metric.baseline;
    if (metric.name == evaluation.watched) watched = metric.value;
  }
  const bool better =
      !position_.has_best ||
      (evaluation.higher_is_better ? watched > position_.best : watched < position_.best);
  if (better) {
    position_.has_best = true;
    position_.best = watched;
    position_.best_epoch = position_.epoch;
    position_.best_metrics = position_.last_metrics;
    position_.evaluations_without_better = 0;
  } else {
    ++position_.evaluations_without_better;
  }
  if (parts_.host.rank() == 0) {
    telemetry::Evaluation event;
    event.epoch = position_.epoch - 1;
    event.global_step = global_step();
    for (const Metric& metric : evaluation.metrics) {
      event.metrics.push_back({metric.name, metric.value, metric.baseline});
    }
    event.watched = evaluation.watched;
    event.best = position_.best;
    event.is_best = better;
    event.seconds = now() - begin;
    parts_.host.events().send(event);
    parts_.host.events().phase_end("evaluate", event.seconds);
  }
  if (better) save_best(evaluation);
  const std::int64_t patience = parts_.plan.train.early_stop;
  if (patience > 0 && position_.evaluations_without_better >= patience) {
    stopped_early_ = true;
    if (parts_.host.rank() == 0) {
      parts_.host.log(Host::Level::kInfo, "early stop: " + std::to_string(patience) +
                                              " evaluations without a better " +
                                              evaluation.watched + "; the best was epoch " +
                                              std::to_string(position_.best_epoch));
    }
  }
}

}  // namespace trainhost::train
