#include "host/telemetry/console.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/telemetry/evaluation_table.h"
#include "host/telemetry/gauges_text.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::telemetry {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kPlainProgressSeconds = 10;
// Above this share the loader, not the device, sets the pace.
constexpr double kLoaderShare = 0.3;

constexpr const char* kYellow = "33";
constexpr const char* kRed = "31";
constexpr const char* kBold = "1";

}  // namespace

Console::Console(Screen screen) : screen_(std::move(screen)) {}

void Console::banner(const Banner& banner) {
  std::size_t width = 0;
  for (const auto& [key, value] : banner.rows) width = std::max(width, columns(key));
  print(painted(kBold, banner.title) + "\n");
  for (const auto& [key, value] : banner.rows) {
    const std::size_t room = !screen_.terminal            ? kAnyWidth
                             : screen_.width > width + 24 ? screen_.width - width - 4
                                                          : 20;
    std::string indent = "  " + pad_right(key, width) + "  ";
    for (const std::string& line : wrap(value, room)) {
      print(indent + line + "\n");
      indent.assign(columns(indent), ' ');
    }
  }
  for (const std::string& text : banner.warnings) warning(text);
}

void Console::take(int rank, const Event& event, double now) {
  if (const auto* log = std::get_if<Log>(&event)) take_log(*log);
  if (rank != 0) return;
  if (const auto* step = std::get_if<Step>(&event)) take_step(*step, now);
  if (const auto* progress = std::get_if<Progress>(&event)) take_progress(*progress, now);
  if (const auto* ready = std::get_if<Ready>(&event)) take_ready(*ready);
  if (const auto* evaluation = std::get_if<Evaluation>(&event)) take_evaluation(*evaluation);
  if (const auto* stand_in = std::get_if<StandIn>(&event)) {
    const std::string text = "STAND-IN: " + printable(stand_in->text);
    print(painted(kYellow, boxed(text, std::min<std::size_t>(screen_.width, 100))));
  }
  if (const auto* checkpoint = std::get_if<Checkpoint>(&event)) {
    info(fmt::format("checkpoint {} ({})", printable(checkpoint->path),
                     duration_text(checkpoint->seconds)));
  }
  if (std::holds_alternative<Phase>(event) || std::holds_alternative<Summary>(event)) {
    live_.end_progress();
    stale_ = true;
  }
}

void Console::rank_output(int rank, std::string_view line) {
  print(fmt::format("[rank {}] {}\n", rank, printable(line)));
}

void Console::info(std::string_view text) { print(std::string(text) + "\n"); }

void Console::warning(std::string_view text) {
  print(painted(kYellow, "warning:") + " " + std::string(text) + "\n");
}

void Console::error(std::string_view text) {
  print("trainhost: " + painted(kRed, "error:") + " " + std::string(text) + "\n");
}

void Console::tick(double now) {
  if (!screen_.terminal || !stale_ || now - drawn_at_ < kRedrawSeconds) return;
  erase_live();
  draw_live();
  drawn_at_ = now;
}

void Console::resize(std::size_t width) {
  screen_.width = width;
  stale_ = true;
}

void Console::finish() {
  erase_live();
  live_.clear();
  stale_ = false;
}

void Console::result(std::string_view text) {
  erase_live();
  screen_.out(text);
}

// Above the live lines, which are drawn again by the next tick.
void Console::print(std::string_view text) {
  if (drawn_ > 0) stale_ = true;
  erase_live();
  screen_.err(text);
}

void Console::take_step(const Step& step, double now) {
  end_epochs(step.epoch);
  Running& running = running_[step.objective];
  if (running.epoch < 0) running.epoch = step.epoch;
  const double steps = static_cast<double>(std::max<std::int64_t>(step.step - running.step, 0));
  running.step = step.step;
  running.weight += steps;
  running.loss_sum += steps * step.loss;
  running.step_ms += steps * step.step_ms;
  running.wait_ms += steps * (std::isnan(step.data_wait_ms) ? 0 : step.data_wait_ms);
  running.rate_sum += steps * step.step_ms * step.samples_per_s;
  live_.step(step);
  stale_ = true;
  if (!screen_.terminal && step.logged) print_plain_step(step);
  if (step.step >= step.steps) end_epoch(step.objective);
  tick(now);
}

void Console::print_plain_step(const Step& step) {
  const std::string gauges = gauges_text(step, device_);
  print(fmt::format("epoch {}/{}  {}  step {}/{}  loss {}  lr {}  {} samples/s{}{}\n",
                    step.epoch + 1, epochs_, printable(step.objective), step.step, step.steps,
                    value_text(step.loss), value_text(step.lr), count_text(step.samples_per_s),
                    gauges.empty() ? "" : "  ", gauges));
}

void Console::end_epochs(std::int64_t before_epoch) {
  for (const auto& [name, running] : running_) {
    if (running.epoch >= 0 && running.epoch < before_epoch) end_epoch(name);
  }
}

void Console::end_epoch(const std::string& objective) {
  Running& running = running_[objective];
  if (running.weight > 0) {
    print(fmt::format(
        "epoch {}/{}  {}  mean loss {}  {} steps in {}  {} samples/s\n", running.epoch + 1, epochs_,
        printable(objective), value_text(running.loss_sum / running.weight), running.step,
        duration_text(running.step_ms / 1000), count_text(running.rate_sum / running.step_ms)));
    const double waited = running.wait_ms / running.step_ms;
    if (!running.warned_of_loader && waited > kLoaderShare) {
      warning(
          fmt::format("the loader is what the step waits for: data wait {:.0f} % of the step "
                      "of '{}'; raise train.workers",
                      100 * waited, printable(objective)));
      running.warned_of_loader = true;
    }
  }
  running = Running{.warned_of_loader = running.warned_of_loader};
}

void Console::take_ready(const Ready& ready) {
  epochs_ = ready.epochs;
  device_ = ready.device;
  live_.end_progress();
  live_.start(ready);
  print(fmt::format("  parameters  {} ({} MB) in {} units\n",
                    count_text(static_cast<double>(ready.parameters)),
                    count_text(static_cast<double>(ready.parameter_bytes) / 1e6), ready.units));
  for (const auto& fact : ready.facts) {
    print(fmt::format("  {}  {}\n", pad_right(printable(fact.key), 10), printable(fact.value)));
  }
  for (const auto& objective : ready.objectives) {
    print(fmt::format("  {}  {} steps an epoch over {} rows\n",
                      pad_right(printable(objective.name), 10), objective.steps_per_epoch,
                      count_text(static_cast<double>(objective.rows_per_epoch))));
  }
}

void Console::take_evaluation(const Evaluation& evaluation) {
  end_epochs(evaluation.epoch + (evaluation.midway ? 0 : 1));
  const bool baseline = std::ranges::any_of(
      evaluation.metrics, [](const auto& metric) { return !std::isnan(metric.baseline); });
  std::string head = "evaluation " + place_of(evaluation);
  if (!evaluation.split.empty()) head += ", " + printable(evaluation.split);
  if (!std::isnan(evaluation.seconds)) head += ", " + duration_text(evaluation.seconds);
  if (baseline) {
    head += fmt::format("; the {}baseline in brackets",
                        evaluation.trivial.empty() ? "" : printable(evaluation.trivial) + " ");
  }
  if (!evaluation.watched.empty() && !evaluation.is_best) {
    head += fmt::format("; best {} so far {:.4f}", printable(evaluation.watched), evaluation.best);
  }
  if (!evaluation.watched.empty() && evaluation.is_best) head += "; * best so far";
  // A pipe has no edge at which a line would break.
  const std::size_t width = screen_.terminal ? screen_.width : kAnyWidth;
  print(painted(kBold, head) + "\n" + evaluation_table(evaluation, width));
}

void Console::take_progress(const Progress& progress, double now) {
  live_.progress(progress, now);
  stale_ = true;
  if (screen_.terminal) {
    tick(now);
    return;
  }
  const bool done = progress.total > 0 && progress.done >= progress.total;
  const bool fresh = progress.what != progress_shown_;
  if (!fresh && !done && now - progress_shown_at_ < kPlainProgressSeconds) return;
  if (done && fresh && now - progress_shown_at_ < kPlainProgressSeconds) return;
  progress_shown_ = done ? std::string() : progress.what;
  progress_shown_at_ = now;
  const std::string total =
      progress.total > 0 ? "/" + count_text(static_cast<double>(progress.total)) : std::string();
  print(fmt::format("{}  {}{}\n", printable(progress.what),
                    count_text(static_cast<double>(progress.done)), total));
}

void Console::take_log(const Log& log) {
  if (log.level == Host::Level::kDebug) return;
  const bool is_warning = log.level == Host::Level::kWarning;
  if (log.rank != 0 && !is_warning) return;
  const std::string who = log.rank == 0 ? std::string() : fmt::format("[rank {}] ", log.rank);
  const std::string text = who + printable(log.text);
  if (is_warning) {
    warning(text);
  } else {
    info(text);
  }
}

void Console::erase_live() {
  if (drawn_ == 0) return;
  screen_.err(fmt::format("\x1b[{}A\r\x1b[J", drawn_));
  drawn_ = 0;
}

void Console::draw_live() {
  std::string out;
  // A line as wide as the terminal would make it wrap.
  const std::size_t width = screen_.width > 1 ? screen_.width - 1 : 1;
  const std::vector<std::string> lines = live_.text(width);
  for (const std::string& line : lines) out += line + "\n";
  if (!out.empty()) screen_.err(out);
  drawn_ = lines.size();
  stale_ = false;
}

std::string Console::painted(const char* color, std::string_view text) const {
  if (!screen_.color) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", color, text);
}

}  // namespace trainhost::telemetry
