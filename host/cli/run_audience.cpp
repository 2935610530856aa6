#include "host/cli/run_audience.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "host/telemetry/text_layout.h"

namespace trainhost::cli {
namespace {

// Of a rank's own output between two ticks; a library that prints in a loop should not drown the
// rest.
constexpr int kLinesATick = 40;

void write_to(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody reads any more: not the run's concern
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  return 80;
}

}  // namespace

double steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

telemetry::Screen process_screen() {
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || std::string_view(kind) == "dumb";
  const char* no_color = std::getenv("NO_COLOR");
  const bool terminal = isatty(STDERR_FILENO) == 1 && !dumb;
  return {.out = [](std::string_view text) { write_to(STDOUT_FILENO, text); },
          .err = [](std::string_view text) { write_to(STDERR_FILENO, text); },
          .terminal = terminal,
          .color = terminal && (no_color == nullptr || *no_color == '\0'),
          .width = terminal ? terminal_width() : 100};
}

void RunAudience::event(int rank, const telemetry::Event& event) {
  const std::string metrics = record_.take(rank, event);
  if (directory_ != nullptr && !metrics.empty()) directory_->add_metrics(metrics);
  const auto* evaluation = std::get_if<telemetry::Evaluation>(&event);
  if (directory_ != nullptr && evaluation != nullptr) directory_->add_evaluation(*evaluation);
  if (events_ != nullptr) events_->take(event);
  log_event(rank, event);
  console_.take(rank, event, steady_seconds());
}

void RunAudience::log_event(int rank, const telemetry::Event& event) {
  if (const auto* log = std::get_if<telemetry::Log>(&event)) {
    const char* level = log->level == Host::Level::kWarning ? "warning: "
                        : log->level == Host::Level::kDebug ? "debug: "
                                                            : "";
    detail(fmt::format("[rank {}] {}{}", log->rank, level, telemetry::printable(log->text)));
  } else if (const auto* phase = std::get_if<telemetry::Phase>(&event)) {
    if (!phase->begin) {
      detail(fmt::format("[rank {}] phase {}: {:.3f} s", rank, phase->name, phase->seconds));
    }
  } else if (const auto* stand_in = std::get_if<telemetry::StandIn>(&event)) {
    detail("stand-in: " + telemetry::printable(stand_in->text));
  } else if (const auto* failed = std::get_if<telemetry::Failed>(&event)) {
    detail(fmt::format("[rank {}] failed: {}: {} {} {}", failed->rank, failed->where, failed->what,
                       failed->expected, failed->got));
  } else if (const auto* checkpoint = std::get_if<telemetry::Checkpoint>(&event)) {
    detail("checkpoint " + checkpoint->path);
  } else if (const auto* dropped = std::get_if<telemetry::Dropped>(&event)) {
    detail(fmt::format("[rank {}] {} events were dropped", rank, dropped->count));
  }
}

void RunAudience::output(int rank, std::string_view line) {
  detail(fmt::format("[rank {}] {}", rank, telemetry::printable(line)));
  if (lines_this_tick_++ < kLinesATick) console_.rank_output(rank, line);
}

void RunAudience::notice(std::string_view text) {
  detail(text);
  console_.info(text);
}

void RunAudience::detail(std::string_view text) {
  if (directory_ != nullptr) directory_->log(text);
}

void RunAudience::tick(bool resized) {
  if (lines_this_tick_ > kLinesATick) {
    console_.info(fmt::format("({} more lines of the ranks' output are in log.txt)",
                              lines_this_tick_ - kLinesATick));
  }
  lines_this_tick_ = 0;
  if (resized) console_.resize(terminal_width());
  console_.tick(steady_seconds());
  flush();
}

void RunAudience::flush() {
  if (directory_ != nullptr) {
    directory_->flush();
    warn(directory_->take_warning());
  }
  if (events_ != nullptr) {
    events_->flush();
    warn(events_->take_warning());
  }
}

void RunAudience::warn(const std::string& text) {
  if (text.empty()) return;
  detail("warning: " + text);
  console_.warning(text);
}

}  // namespace trainhost::cli
