#include "host/telemetry/live_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/telemetry/gauges_text.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::telemetry {
namespace {

constexpr std::size_t kBarWidth = 22;

double share(std::int64_t done, std::int64_t total) {
  return total > 0 ? static_cast<double>(done) / static_cast<double>(total) : kNone;
}

// The bar gives way first where the terminal is narrow.
std::string fitted(const std::string& head, double fraction, const std::string& tail,
                   std::size_t width) {
  const std::size_t words = columns(head) + columns(tail) + 2;
  const std::size_t room = width > words ? std::min(kBarWidth, width - words) : 0;
  const std::string middle = bar(fraction, room >= 6 ? room : 0);
  return cut(head + (middle.empty() ? "" : " " + middle) + " " + tail, width);
}

}  // namespace

void LiveLines::start(const Ready& ready) {
  epochs_ = ready.epochs;
  device_ = ready.device;
  for (const auto& objective : ready.objectives) {
    name_width_ = std::max(name_width_, columns(objective.name));
  }
}

void LiveLines::step(const Step& step) {
  progress_.reset();
  const auto same = [&](const Step& other) { return other.objective == step.objective; };
  const auto found = std::ranges::find_if(steps_, same);
  if (found == steps_.end()) {
    steps_.push_back(step);
    return;
  }
  const Step before = std::exchange(*found, step);
  if (step.logged) return;  // the others do not ask the device
  found->utilisation = before.utilisation;
  found->power_watts = before.power_watts;
  found->temperature_celsius = before.temperature_celsius;
}

void LiveLines::progress(const Progress& progress, double now) {
  if (!progress_ || progress_->last.what != progress.what) {
    progress_ = Work{.last = {}, .began = now, .now = now, .first = progress.done};
  }
  progress_->last = progress;
  progress_->now = now;
  if (progress.total > 0 && progress.done >= progress.total) progress_.reset();
}

void LiveLines::clear() {
  steps_.clear();
  progress_.reset();
}

std::vector<std::string> LiveLines::text(std::size_t width) const {
  std::vector<std::string> out;
  for (const Step& step : steps_) out.push_back(step_line(step, width));
  if (progress_) out.push_back(progress_line(*progress_, width));
  return out;
}

std::string LiveLines::step_line(const Step& step, std::size_t width) const {
  const std::string head = fmt::format("epoch {}/{}  {}", step.epoch + 1, epochs_,
                                       pad_right(printable(step.objective), name_width_));
  std::string tail = fmt::format("{}/{}  loss {}  {}/s", step.step, step.steps,
                                 value_text(step.loss), count_text(step.samples_per_s));
  if (step.steps > step.step) {
    const double left = static_cast<double>(step.steps - step.step) * step.step_ms / 1000.0;
    tail += "  ETA " + duration_text(left);
  }
  const std::string gauges = gauges_text(step, device_);
  const std::size_t all = columns(head) + columns(tail) + columns(gauges) + 3;
  if (!gauges.empty() && all <= width) tail += "  " + gauges;
  return fitted(head, share(step.step, step.steps), tail, width);
}

std::string LiveLines::progress_line(const Work& work, std::size_t width) {
  const double took = work.now - work.began;
  const double rate = took > 0.2 ? static_cast<double>(work.last.done - work.first) / took : kNone;
  std::string tail = count_text(static_cast<double>(work.last.done));
  if (work.last.total > 0) tail += "/" + count_text(static_cast<double>(work.last.total));
  if (!std::isnan(rate)) tail += fmt::format("  {}/s", count_text(rate));
  if (work.last.total > 0 && rate > 0) {
    tail += "  ETA " + duration_text(static_cast<double>(work.last.total - work.last.done) / rate);
  }
  return fitted(cut(printable(work.last.what), width / 2), share(work.last.done, work.last.total),
                tail, width);
}

}  // namespace trainhost::telemetry
