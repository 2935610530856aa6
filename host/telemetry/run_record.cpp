#include "host/telemetry/run_record.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace trainhost::telemetry {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// Null where the text is no JSON, or nested deeper than any summary.
Json parse_object(const std::string& text) {
  constexpr int kMaxDepth = 32;
  bool deep = false;
  const auto look_at_depth = [&deep](int depth, Json::parse_event_t, Json&) {
    deep = deep || depth > kMaxDepth;
    return !deep;
  };
  Json out = Json::parse(text, look_at_depth, false);
  return deep ? Json() : out;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json values_of(const Evaluation& evaluation) {
  Json out = Json::object();
  for (const auto& metric : evaluation.metrics) out[metric.name] = metric.value;
  return out;
}

Json baselines_of(const Evaluation& evaluation) {
  Json out = Json::object();
  for (const auto& metric : evaluation.metrics) {
    if (metric.baseline == metric.baseline) out[metric.name] = metric.baseline;
  }
  return out;
}

// People count epochs from 1.
std::string step_line(const Step& step) {
  return dump({{"epoch", step.epoch + 1},
               {"step", step.global_step},
               {"objective", step.objective},
               {"loss", step.loss},
               {"lr", step.lr},
               {"samples_per_s", step.samples_per_s},
               {"memory", step.memory_mb},
               {"utilisation", step.utilisation},
               {"power_watts", step.power_watts},
               {"temperature_celsius", step.temperature_celsius},
               {"grad_norm", step.grad_norm},
               {"step_ms", step.step_ms},
               {"data_wait_ms", step.data_wait_ms},
               {"epoch_step", step.step}},
              -1);
}

std::string evaluation_line(const Evaluation& evaluation) {
  return dump({{"epoch", evaluation.epoch + 1},
               {"step", evaluation.global_step},
               {"evaluation", values_of(evaluation)},
               {"baseline", baselines_of(evaluation)},
               {"split", text_or_null(evaluation.split)},
               {"watched", text_or_null(evaluation.watched)},
               {"is_best", evaluation.is_best},
               {"seconds", evaluation.seconds}},
              -1);
}

}  // namespace

std::string RunRecord::take(int rank, const Event& event) {
  if (const auto* stand_in = std::get_if<StandIn>(&event)) {
    if (stand_in_.find(stand_in->text) == std::string::npos) {
      stand_in_ += (stand_in_.empty() ? "" : "; ") + stand_in->text;
    }
  } else if (const auto* phase = std::get_if<Phase>(&event)) {
    if (rank == 0 && !phase->begin) seconds_[phase->name] += phase->seconds;
  } else if (const auto* checkpoint = std::get_if<Checkpoint>(&event)) {
    checkpoint_ = checkpoint->path;
  } else if (const auto* summary = std::get_if<Summary>(&event)) {
    if (!summary->json.empty()) rank_summary_ = summary->json;
  } else if (const auto* evaluation = std::get_if<Evaluation>(&event)) {
    last_ = *evaluation;
    if (evaluation->is_best || !best_) best_ = *evaluation;
    return evaluation_line(*evaluation);
  } else if (const auto* step = std::get_if<Step>(&event)) {
    steps_ = std::max(steps_, step->global_step);
    epochs_ = std::max(epochs_, step->epoch + 1);
    if (step->logged) return step_line(*step);
  }
  return {};
}

std::string RunRecord::summary(const RunOutcome& outcome) const {
  Json out = {{"outcome", outcome.outcome},
              {"name", facts_.name},
              {"recipe", facts_.recipe},
              {"model", facts_.model},
              {"strategy", facts_.strategy},
              {"precision", facts_.precision},
              {"ranks", facts_.ranks},
              {"device", facts_.device},
              {"fallback", text_or_null(facts_.fallback)},
              {"stand_in", text_or_null(stand_in_)},
              {"final", last_ ? values_of(*last_) : Json::object()},
              {"best", best_ ? values_of(*best_) : Json::object()},
              {"baseline", last_ ? baselines_of(*last_) : Json::object()},
              {"best_epoch", best_ ? Json(best_->epoch + 1) : Json()},
              {"epochs", epochs_},
              {"steps", steps_},
              {"seconds", seconds_},
              {"peak_memory_mb", outcome.peak_memory_mb},
              {"checkpoint", text_or_null(checkpoint_)},
              {"exit_code", outcome.exit_code},
              {"error", text_or_null(outcome.error)}};
  out["seconds"]["total"] = outcome.seconds;
  const Json told = parse_object(rank_summary_);
  if (told.is_object()) out.update(told, true);
  return dump(out, 2) + "\n";
}

}  // namespace trainhost::telemetry
