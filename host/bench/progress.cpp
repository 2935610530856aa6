#include "host/bench/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/bench/statistics.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::bench {

using telemetry::count_text;
using telemetry::cut;
using telemetry::duration_text;
using telemetry::pad_right;

std::string outcome_text(const Json& result) {
  const double seconds = number_of(at_path(result, "wall_seconds"));
  if (at_path(result, "outcome") != "done") {
    const Json reason = at_path(result, "reason");
    return "failed: " + (reason.is_string() ? reason.get<std::string>() : std::string("?"));
  }
  const double rate = number_of(at_path(result, "samples_per_s"));
  const std::string took = duration_text(seconds);
  return std::isnan(rate) ? took : count_text(rate) + " samples/s, " + took;
}

Progress::Progress(telemetry::Screen screen, std::size_t height)
    : screen_(std::move(screen)), height_(height) {}

Progress::~Progress() { finish(); }

void Progress::begin(std::vector<Row> rows) {
  finish();
  cases_.clear();
  started_ = total_ = 0;
  for (Row& row : rows) {
    total_ += static_cast<std::size_t>(row.runs);
    row.label = telemetry::printable(row.label);
    cases_.push_back({.row = std::move(row), .rates = {}, .reason = {}});
  }
}

void Progress::start(std::size_t row, std::int64_t repeat, bool warmup, bool known) {
  current_ = row;
  repeat_ = repeat;
  warmup_ = warmup;
  known_ = known;
  running_ = true;
  elapsed_ = 0;
  ++started_;
  draw();
}

void Progress::tick(double seconds) {
  elapsed_ = seconds;
  draw();
}

void Progress::end(const Json& result) {
  Case& row = cases_[current_];
  const bool done = at_path(result, "outcome") == "done";
  done ? ++row.done : ++row.failed;
  if (known_) {
    ++row.known;
  } else {
    row.seconds += number_of(at_path(result, "wall_seconds"));
  }
  if (done && !warmup_) row.rates.push_back(number_of(at_path(result, "samples_per_s")));
  if (!done) row.reason = outcome_text(result);
  running_ = false;
  elapsed_ = 0;
  if (screen_.terminal) {
    draw();
    return;
  }
  const std::string left = started_ < total_ ? left_text() : std::string();
  screen_.err(fmt::format("{}: {}{}{}\n", turn_text(), outcome_text(result),
                          known_ ? " (from an earlier command)" : "", left));
}

void Progress::skip(std::size_t row, std::int64_t runs) {
  cases_[row].row.runs -= runs;
  total_ -= static_cast<std::size_t>(runs);
}

double Progress::seconds_left() const {
  double seconds = 0, all = 0;
  std::int64_t made = 0;
  for (const Case& row : cases_) {
    all += row.seconds;
    made += row.made();
  }
  if (made == 0) return std::numeric_limits<double>::quiet_NaN();
  for (const Case& row : cases_) {
    const double each = row.made() > 0 ? row.seconds / double(row.made()) : all / double(made);
    seconds += each * double(row.row.runs - row.done - row.failed);
  }
  return std::max(0.0, seconds - elapsed_);
}

void Progress::finish() {
  erase();
  running_ = false;
}

void Progress::info(const std::string& text) {
  erase();
  screen_.err(text + "\n");
}

void Progress::warning(const std::string& text) { info("warning: " + text); }

std::string Progress::turn_text() const {
  const Case& row = cases_[current_];
  const std::string which = warmup_            ? std::string(", warm-up")
                            : row.row.runs > 1 ? fmt::format(", repeat {}", repeat_)
                                               : std::string();
  return fmt::format("[{:>{}}/{}] {}{}", started_, fmt::formatted_size("{}", total_), total_,
                     row.row.label, which);
}

std::string Progress::left_text() const {
  const double left = seconds_left();
  return std::isnan(left) ? std::string() : "; about " + duration_text(left) + " left";
}

std::string Progress::line_of(const Case& row, std::size_t width) const {
  std::string state = row.failed > 0 ? row.reason : std::string();
  if (row.failed == 0 && !row.rates.empty()) {
    const Spread spread = spread_of(row.rates);
    if (spread.count > 0) state = count_text(spread.median) + " samples/s";
  }
  return fmt::format("  {}  {:>2} of {}  {}", pad_right(row.row.label, width),
                     row.done + row.failed, row.row.runs, state);
}

void Progress::draw() {
  if (!screen_.terminal) return;
  erase();
  std::size_t width = 0;
  for (const Case& row : cases_) width = std::max(width, telemetry::columns(row.row.label));
  std::vector<std::string> lines{
      turn_text() + (running_ ? ", " + duration_text(elapsed_) : std::string()) + left_text()};
  // A table of more lines than the terminal has could not be taken away again.
  const std::size_t room = height_ > 4 ? height_ - 4 : 1;
  const std::size_t first = current_ < room ? 0 : current_ + 1 - room;
  for (std::size_t c = first; c < cases_.size() && c < first + room; ++c) {
    lines.push_back(line_of(cases_[c], std::min<std::size_t>(width, 40)));
  }
  std::string all;
  for (const std::string& line : lines) {
    all += cut(line, screen_.width > 1 ? screen_.width - 1 : 1) + "\n";
  }
  screen_.err(all);
  drawn_ = lines.size();
}

void Progress::erase() {
  if (drawn_ == 0) return;
  screen_.err(fmt::format("\r\x1b[{}A\x1b[J", drawn_));
  drawn_ = 0;
}

}  // namespace trainhost::bench
