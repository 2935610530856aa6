#include "host/telemetry/tensorboard_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>

namespace trainhost::telemetry {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

// The time in a file's name; 0 where it is none of these files.
std::int64_t time_of(const std::string& name) {
  std::int64_t out = 0;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), out);
  }
  return out;
}

// TensorBoard reads the files in the order of their names, and a run may go on in the second in
// which it began.
std::int64_t time_after_others(const std::string& folder, std::int64_t now) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    now = std::max(now, time_of(at->path().filename().string()) + 1);
  }
  return now;
}

std::string file_name(const std::string& folder, double seconds) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {"unknown"};
  const std::int64_t time = time_after_others(folder, static_cast<std::int64_t>(seconds));
  return folder + "/" + std::string(kPrefix) + std::to_string(time) + "." + host.data() + "." +
         std::to_string(getpid()) + ".0";
}

// TensorBoard puts charts together that share what stands before the first slash.
std::vector<Scalar> scalars_of(const Step& step) {
  return {{"loss/" + step.objective, step.loss},
          {"lr/" + step.objective, step.lr},
          {"grad_norm/" + step.objective, step.grad_norm},
          {"samples_per_s/" + step.objective, step.samples_per_s},
          {"memory_mb", step.memory_mb},
          {"utilisation", step.utilisation},
          {"power_watts", step.power_watts},
          {"temperature_celsius", step.temperature_celsius}};
}

std::vector<Scalar> scalars_of(const Evaluation& evaluation) {
  const std::string group = evaluation.split.empty() ? "evaluation" : evaluation.split;
  std::vector<Scalar> out;
  for (const auto& metric : evaluation.metrics) {
    out.push_back({group + "/" + metric.name, metric.value});
    out.push_back({group + "_baseline/" + metric.name, metric.baseline});
  }
  return out;
}

}  // namespace

double TensorBoardWriter::system_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

TensorBoardWriter::TensorBoardWriter(const std::string& folder, std::int64_t void_from, Clock clock)
    : clock_(std::move(clock)), file_(file_name(folder, clock_())) {
  file_.add(version_record(clock_()));
  if (void_from < 0) return;
  step_ = void_from;
  file_.add(restart_record({clock_(), void_from}));
}

void TensorBoardWriter::text(const std::string& tag, const std::string& markdown) {
  file_.add(text_record({clock_(), step_}, tag, markdown));
}

void TensorBoardWriter::hparams(const std::vector<Hparam>& hparams) {
  file_.add(hparams_record({clock_(), step_}, hparams));
}

void TensorBoardWriter::take(const Event& event) {
  if (const auto* step = std::get_if<Step>(&event)) {
    step_ = std::max(step_, step->global_step);
    if (step->logged) add(step->global_step, scalars_of(*step));
  } else if (const auto* evaluation = std::get_if<Evaluation>(&event)) {
    step_ = std::max(step_, evaluation->global_step);
    add(evaluation->global_step, scalars_of(*evaluation));
  } else if (const auto* stand_in = std::get_if<StandIn>(&event)) {
    text("stand-in", stand_in->text);
  }
}

void TensorBoardWriter::add(std::int64_t step, const std::vector<Scalar>& scalars) {
  std::vector<Scalar> known;
  std::ranges::copy_if(scalars, std::back_inserter(known),
                       [](const Scalar& scalar) { return !std::isnan(scalar.value); });
  if (!known.empty()) file_.add(scalars_record({clock_(), step}, known));
}

}  // namespace trainhost::telemetry
