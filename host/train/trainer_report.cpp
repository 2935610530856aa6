// What the trainer tells and saves: events, warnings, the best model, checkpoints.
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/checkpoint/best.h"
#include "host/checkpoint/best_folder.h"
#include "host/checkpoint/run_checkpoints.h"
#include "host/train/clock.h"
#include "host/train/model_check.h"
#include "host/train/state_hash.h"
#include "host/train/trained_model.h"
#include "host/train/trainer.h"

namespace trainhost::train {
namespace {

constexpr double kLiveInterval = 0.1;  // seconds between events that only move the live line

}  // namespace

void Trainer::report_ready() {
  if (parts_.host.rank() != 0) return;
  telemetry::Ready ready;
  const ModelSize size = model_size(parts_.spec);
  ready.parameters = size.parameters;
  ready.parameter_bytes = size.bytes;
  ready.units = static_cast<std::int64_t>(parts_.spec.units.size());
  ready.epochs = parts_.plan.train.epochs;
  ready.first_epoch = position_.epoch;
  for (const Objective& objective : objectives_) {
    const std::int64_t steps = order_.steps(&objective - objectives_.data(), position_.epoch);
    ready.objectives.push_back({objective.name, steps, steps * objective.plan->effective_batch});
  }
  ready.device = parts_.host.device_kind();
  for (const auto& [key, value] : parts_.model.facts()) ready.facts.push_back({key, value});
  parts_.host.events().send(ready);
}

void Trainer::report_state(const std::string& place) {
  // An event has a bounded length; a name and its numbers take some 200 bytes.
  constexpr std::size_t kTensorsOfAnEvent = 1000;
  std::vector<telemetry::State::Tensor> all = hash_state(parts_.session.state(false));
  for (std::size_t begin = 0; begin < all.size(); begin += kTensorsOfAnEvent) {
    const std::size_t end = std::min(all.size(), begin + kTensorsOfAnEvent);
    telemetry::State event;
    event.rank = parts_.communicator.rank();
    event.place = place;
    event.loss = last_loss_;
    event.tensors.assign(all.begin() + static_cast<std::ptrdiff_t>(begin),
                         all.begin() + static_cast<std::ptrdiff_t>(end));
    parts_.host.events().send(event);
  }
}

void Trainer::report_training_time() {
  if (parts_.host.rank() == 0) parts_.host.events().phase_end("train", now() - training_since_);
  training_since_ = now();
}

void Trainer::warn_of_little_data() {
  const std::int64_t rows = parts_.model.training_rows();
  const recipe::ObjectivePlan& first = *objectives_.front().plan;
  if (parts_.host.rank() != 0 || rows == 0 || rows >= first.effective_batch) return;
  const int world = parts_.communicator.world();
  parts_.host.log(Host::Level::kWarning,
                  "the data is small for " + std::to_string(world) + " devices: an epoch has " +
                      std::to_string(rows) + " rows and one step of '" + first.name + "' takes " +
                      std::to_string(first.effective_batch) +
                      "; lower train.batch, or use fewer devices (devices=1)");
}

void Trainer::report_step(int objective, std::int64_t steps, double lr, const StepResult& result) {
  ++steps_since_report_;
  if (parts_.host.rank() != 0) return;
  const double at = now();
  const bool logged =
      position_.step == steps || position_.step == 1 ||
      (parts_.plan.train.log_every > 0 && position_.step % parts_.plan.train.log_every == 0);
  if (!logged && at - sent_at_ < kLiveInterval) return;
  sent_at_ = at;
  const Objective& current = objectives_[objective];
  telemetry::Step event;
  event.objective = current.name;
  event.epoch = position_.epoch;
  event.step = position_.step;
  event.steps = steps;
  event.global_step = global_step();
  event.loss = last_loss_;
  event.lr = lr;
  if (result.gradient_norm >= 0 && std::isfinite(result.gradient_norm))
    event.grad_norm = result.gradient_norm;
  const double step_seconds = (at - reported_at_) / static_cast<double>(steps_since_report_);
  event.samples_per_s = static_cast<double>(current.plan->effective_batch) / step_seconds;
  event.step_ms = 1e3 * step_seconds;
  const double waited = prefetcher_->wait_seconds();
  event.data_wait_ms = 1e3 * (waited - waited_) / static_cast<double>(steps_since_report_);
  if (logged) {
    const MemoryStatistics memory = parts_.device.memory();
    if (memory.allocated >= 0) event.memory_mb = static_cast<double>(memory.allocated) / 1048576;
    event.utilisation = parts_.device.utilisation();
    const Gauges gauges = parts_.device.gauges();
    event.power_watts = gauges.power_watts;
    event.temperature_celsius = gauges.temperature_celsius;
  }
  event.logged = logged;
  parts_.host.events().send(event);
  reported_at_ = at;
  waited_ = waited;
  steps_since_report_ = 0;
}

/// What comes next is training, after evaluation, checkpoints or nothing at all.
void Trainer::begin_to_measure() {
  training_since_ = reported_at_ = counted_at_ = now();
  sent_before_ = parts_.sent == nullptr ? 0 : parts_.sent->strategy();
}

/// From the end of the step before to the end of this one, evaluation and checkpoints left out.
void Trainer::count_step(int objective) {
  if (parts_.host.rank() != 0) return;
  const double at = now();
  const std::int64_t sent = parts_.sent == nullptr ? 0 : parts_.sent->strategy();
  const Objective& current = objectives_[objective];
  costs_.add(current.name, current.plan->effective_batch, at - counted_at_, sent - sent_before_);
  counted_at_ = at;
  sent_before_ = sent;
}

/// The best model as other tools know it: one file, whole tensors, names like "layer1.W1".
void Trainer::save_best(const Evaluation& evaluation) {
  parts_.host.doing("writing the best model at step " + std::to_string(global_step()));
  std::optional<checkpoint::BestWriter> writer;
  if (parts_.host.rank() == 0) {
    writer.emplace(
        parts_.run_directory, tensor_headers(parts_.spec),
        std::map<std::string, std::string>{{"format", "pt"}, {"model", parts_.plan.model.id}});
  }
  parts_.session.full_parameters(true, [&](const std::string&, const at::Tensor& tensor) {
    if (writer) writer->append(tensor);
  });
  if (!writer) return;
  nlohmann::ordered_json text;
  text["epoch"] = position_.epoch;
  text["global_step"] = global_step();
  text["watched"] = evaluation.watched;
  text["metrics"] = position_.best_metrics;
  writer->finish(text.dump(1) + "\n");
}

void Trainer::save_checkpoint() {
  parts_.host.doing("writing a checkpoint at step " + std::to_string(global_step()));
  const double begin = now();
  const std::string folder = checkpoint::checkpoints_of(parts_.run_directory);
  const std::string target = folder + "/step-" + std::to_string(global_step());
  checkpoint::save(target, parts_.session.state(false), position_,
                   {parts_.plan.model.id, parts_.plan.strategy.id, parts_.communicator.world(),
                    parts_.plan.train.seed},
                   parts_.communicator.rank(), parts_.communicator.world(),
                   [this] { parts_.communicator.barrier(Traffic::kHost); });
  last_saved_step_ = global_step();
  if (parts_.host.rank() != 0) return;
  checkpoint::remove_old(folder, std::max<std::int64_t>(1, parts_.plan.train.keep_checkpoints));
  checkpoint::forget_earlier_best(parts_.run_directory);
  telemetry::Checkpoint event;
  event.path = target;
  event.epoch = position_.epoch;
  event.global_step = global_step();
  event.seconds = now() - begin;
  parts_.host.events().send(event);
  parts_.host.events().phase_end("checkpoint", event.seconds);
}

nlohmann::ordered_json Trainer::claims_by_objective() const {
  auto json = nlohmann::ordered_json::parse(parts_.claims);
  const auto traffic = json.find("traffic");
  if (traffic == json.end()) return json;
  auto named = nlohmann::ordered_json::object();
  for (std::size_t o = 0; o < objectives_.size() && o < traffic->size(); ++o) {
    named[objectives_[o].name] = (*traffic)[o];
  }
  *traffic = named;
  return json;
}

void Trainer::send_summary(bool interrupted) {
  telemetry::Summary summary;
  summary.rank = parts_.host.rank();
  const MemoryStatistics memory = parts_.device.memory();
  if (memory.peak_allocated >= 0) {
    summary.peak_memory_mb = static_cast<double>(memory.peak_allocated) / 1048576;
  }
  summary.interrupted = interrupted;
  if (parts_.host.rank() == 0) {
    nlohmann::ordered_json json;
    json["final"] = position_.last_metrics;
    json["best"] = position_.best_metrics;
    if (position_.has_best) json["best_epoch"] = position_.best_epoch;
    json["baseline"] = position_.baseline_metrics;
    json["epochs"] = position_.epoch;
    json["steps"] = global_step();
    json["stopped_early"] = stopped_early_;
    for (const BackOff& back_off : back_offs_) {
      json["out_of_memory"].push_back({{"objective", back_off.objective},
                                       {"step", back_off.step},
                                       {"micro_batch", back_off.micro_batch},
                                       {"accumulate", back_off.accumulate}});
    }
    json["all_steps"] = costs_.all();
    json["objectives"] = costs_.by_objective();
    if (!parts_.claims.empty()) json["claims"] = claims_by_objective();
    summary.json = json.dump();
  }
  parts_.host.events().send(summary);
}

}  // namespace trainhost::train
