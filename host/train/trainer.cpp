#include "host/train/trainer.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "host/telemetry/evaluation_csv.h"
#include "host/train/clock.h"
#include "trainhost/error.h"

namespace trainhost::train {
namespace {

/// fp16 needs it, in computation and on the way between ranks; bf16 has the range of fp32.
bool scales_losses(const recipe::RunPlan& plan) {
  return plan.precision == "fp16" || plan.train.gradient_dtype == "fp16";
}

}  // namespace

Trainer::Trainer(const Parts& parts)
    : parts_(parts),
      execution_(parts.session, parts.communicator, parts.device.device(),
                 static_cast<std::uint64_t>(parts.plan.train.seed), parts.economies),
      order_({parts.communicator.rank(), parts.communicator.world()}, parts.plan.train.epochs,
             parts.prove_steps) {
  for (std::size_t o = 0; o < parts.objectives.size(); ++o) {
    Objective& objective = objectives_.emplace_back();
    objective.name = parts.objectives[o].name;
    objective.plan = &parts.plan.objectives.at(o);
    objective.source = parts.rank.batches(static_cast<int>(o));
    for (std::int64_t epoch = 0; epoch < parts.plan.train.epochs; ++epoch) {
      objective.total_steps += objective.source->steps(epoch, objective.plan->effective_batch);
    }
    order_.add({objective.source.get(), objective.plan->effective_batch,
                objective.plan->batch_per_rank, parts.plan.train.accumulate});
  }
  position_.global_steps.assign(objectives_.size(), 0);
  for (const Objective& objective : objectives_) {
    position_.effective_batches.push_back(objective.plan->effective_batch);
  }
  if (scales_losses(parts.plan)) position_.loss_scales.resize(objectives_.size());
}

void Trainer::resume(const std::string& folder) {
  std::vector<StateSlice> state = parts_.session.state(true);
  c10::NoGradGuard no_grad;
  const checkpoint::Loaded loaded =
      checkpoint::load(folder, state,
                       {parts_.plan.model.id, parts_.plan.strategy.id, parts_.communicator.world(),
                        parts_.plan.train.seed});
  parts_.session.state_loaded();
  take_position(loaded.position, folder);
  if (parts_.host.rank() == 0) {
    parts_.host.log(Host::Level::kInfo, "resumed from " + folder + " (epoch " +
                                            std::to_string(position_.epoch + 1) + ", step " +
                                            std::to_string(global_step()) + ", written by " +
                                            loaded.identity.strategy + " with " +
                                            std::to_string(loaded.identity.world) + " ranks)");
  }
}

void Trainer::take_position(const checkpoint::Position& loaded, const std::string& folder) {
  const auto count = static_cast<std::int64_t>(objectives_.size());
  const std::vector<std::int64_t> batches = std::move(position_.effective_batches);
  position_ = loaded;
  if (std::ssize(loaded.global_steps) != count || std::ssize(loaded.effective_batches) != count ||
      loaded.objective > count) {
    throw Error(Failure::kUser, {.where = folder + "/manifest.json",
                                 .what = "the checkpoint has other objectives than the model",
                                 .expected = std::to_string(count),
                                 .got = std::to_string(loaded.global_steps.size())});
  }
  position_.effective_batches = batches;
  position_.loss_scales.resize(scales_losses(parts_.plan) ? objectives_.size() : 0);
  if (loaded.objective < count && loaded.step > 0) {
    // Steps are counted in batches. Rounded down: some rows come twice rather than never.
    const std::int64_t rows = loaded.step * loaded.effective_batches[loaded.objective];
    const std::int64_t batch = batches[loaded.objective];
    position_.step = std::min(rows / batch, order_.steps(loaded.objective, loaded.epoch));
    if (parts_.host.rank() == 0 && position_.step * batch != rows) {
      parts_.host.log(Host::Level::kWarning,
                      "the batch of '" + objectives_[loaded.objective].name + "' was " +
                          std::to_string(loaded.effective_batches[loaded.objective]) +
                          " rows and is " + std::to_string(batch) + ": this epoch goes on at row " +
                          std::to_string(position_.step * batch) + ", where " +
                          std::to_string(rows) + " rows had been seen");
    }
  }
  last_saved_step_ = global_step();
  evaluated_step_ = loaded.evaluated_step;
  const std::int64_t patience = parts_.plan.train.early_stop;
  stopped_early_ = patience > 0 && loaded.evaluations_without_better >= patience;
  if (stopped_early_ && parts_.host.rank() == 0) {
    parts_.host.log(Host::Level::kInfo,
                    "this run has stopped early; to go on give a larger train.early_stop, or 0");
  }
}

std::int64_t Trainer::global_step() const { return position_.total_steps(); }

Batch Trainer::load(const LoadRequest& request) {
  const Objective& objective = objectives_[request.objective];
  Batch batch = objective.source->load(request.slice, objective.plan->effective_batch);
  // From pinned memory the copy to the device does not hold up this rank.
  if (!parts_.device.device().is_cpu()) {
    for (at::Tensor& tensor : batch.tensors) tensor = tensor.pin_memory();
  }
  return batch;
}

void Trainer::start_loading() {
  if (may_back_off() && !kept_) kept_.emplace(parts_.session.state(false));
  order_.start(position_);
  waited_ = 0;
  const int workers = static_cast<int>(std::max<std::int64_t>(1, parts_.plan.train.workers));
  prefetcher_ = std::make_unique<Prefetcher>(
      workers, 2 * workers + 2, [this] { return order_.next(); },
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
  if (parts_.plan.train.eval_on_start && global_step() == 0) evaluate();
  begin_to_measure();
  while (position_.epoch < parts_.plan.train.epochs && !should_stop_now()) run_epoch();
  report_training_time();
  prefetcher_.reset();
  if (!interrupted_ && evaluated_step_ != global_step()) evaluate();
  if (last_saved_step_ != global_step()) save_checkpoint();
  send_summary(interrupted_);
}

void Trainer::prove() {
  run_few_steps([this](const std::string& place) { report_state(place); });
  send_summary(interrupted_);
}

void Trainer::try_out() {
  run_few_steps([](const std::string&) {});
}

void Trainer::run_few_steps(const std::function<void(const std::string& place)>& done) {
  start_loading();
  parts_.host.training_has_begun();
  reported_at_ = now();
  execution_.begin_inference();
  parts_.rank.begin_epoch(position_.epoch, execution_);
  for (int objective = 0; objective < static_cast<int>(objectives_.size()); ++objective) {
    const std::int64_t steps = order_.steps(objective, position_.epoch);
    for (position_.step = 0; position_.step < steps && !interrupted_;) {
      run_step(objective, position_.step, steps);
      done(objectives_[objective].name + " " + std::to_string(position_.step));
    }
    ++position_.objective;
  }
  execution_.begin_inference();
  parts_.rank.end_epoch(position_.epoch, execution_);
  last_loss_ = telemetry::kNone;
  if (!interrupted_) done("end of the epoch");
  prefetcher_.reset();
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
  const auto due_in_steps = [&](std::int64_t every) {
    return every > 0 && global_step() % every == 0;
  };
  if (last || due(train.eval_every) || due_in_steps(train.eval_every_steps)) evaluate();
  if (last || due(train.checkpoint_every) || due_in_steps(train.checkpoint_every_steps) ||
      stopped_early_) {
    save_checkpoint();
  }
  begin_to_measure();
}

/// False when the run is to end before the objective's last step.
bool Trainer::run_objective(int objective) {
  const std::int64_t steps = order_.steps(objective, position_.epoch);
  while (position_.step < steps) {
    if (should_stop_now()) return false;
    run_step(objective, position_.step, steps);
    const bool ends_epoch = position_.step == steps && objective + 1 == std::ssize(objectives_);
    if (!ends_epoch) do_what_is_due();
  }
  return true;
}

/// In the middle of an epoch; at its end run_epoch() does it.
void Trainer::do_what_is_due() {
  const auto& train = parts_.plan.train;
  const auto due = [&](std::int64_t every) { return every > 0 && global_step() % every == 0; };
  const bool evaluates = due(train.eval_every_steps), saves = due(train.checkpoint_every_steps);
  if (interrupted_ || !(evaluates || saves)) return;
  report_training_time();
  if (evaluates) evaluate();
  if (saves) save_checkpoint();
  begin_to_measure();
}

std::string Trainer::place(int objective, std::int64_t step, std::int64_t steps) const {
  return "training, epoch " + std::to_string(position_.epoch + 1) + ", " +
         objectives_[objective].name + ", step " + std::to_string(step + 1) + "/" +
         std::to_string(steps);
}

double Trainer::epochs_passed() const {
  double done = 0, all = 0;
  for (std::size_t o = 0; o < objectives_.size() && position_.epoch < parts_.plan.train.epochs;
       ++o) {
    const auto steps = static_cast<double>(
        objectives_[o].source->steps(position_.epoch, objectives_[o].plan->effective_batch));
    const auto here = static_cast<std::int64_t>(o) - position_.objective;
    done += here < 0 ? steps : here == 0 ? static_cast<double>(position_.step) : 0;
    all += steps;
  }
  return static_cast<double>(position_.epoch) + (all > 0 ? done / all : 0);
}

void Trainer::evaluate() {
  const bool midway = position_.step > 0 || position_.objective > 0;
  parts_.host.doing("evaluating at step " + std::to_string(global_step()));
  const double begin = now();
  execution_.begin_inference();
  const Evaluation evaluation = parts_.rank.evaluate(execution_);
  evaluated_step_ = position_.evaluated_step = global_step();
  double watched = 0;
  for (const Metric& metric : evaluation.metrics) {
    position_.last_metrics[metric.name] = metric.value;
    if (!std::isnan(metric.baseline)) position_.baseline_metrics[metric.name] = metric.baseline;
    if (metric.name == evaluation.watched) watched = metric.value;
  }
  // Without a metric the newest model counts as the best.
  const bool better =
      !position_.has_best || evaluation.metrics.empty() ||
      (evaluation.higher_is_better ? watched > position_.best : watched < position_.best);
  if (better) {
    position_.has_best = true;
    position_.best = watched;
    position_.best_epoch = position_.epoch + (midway ? 1 : 0);
    position_.best_step = global_step();
    position_.best_metrics = position_.last_metrics;
    position_.evaluations_without_better = 0;
  } else {
    ++position_.evaluations_without_better;
  }
  if (parts_.host.rank() == 0 && !evaluation.metrics.empty()) {
    telemetry::Evaluation event;
    event.epoch = position_.epoch - (midway ? 0 : 1);
    event.midway = midway;
    event.global_step = global_step();
    for (const Metric& metric : evaluation.metrics) {
      event.metrics.push_back({metric.name, metric.value, metric.baseline});
    }
    event.watched = evaluation.watched;
    event.trivial = evaluation.trivial;
    event.best = position_.best;
    event.is_best = better;
    for (const EvaluationRow& row : evaluation.rows) {
      event.rows.push_back(telemetry::evaluation_row(row.file, row.columns, row.values,
                                                     epochs_passed(), event.global_step));
    }
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
