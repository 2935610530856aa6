// Progress: what the user sees of a sweep while it runs.
//
// Purpose: on a terminal a table of the cases that is rewritten in place, in a pipe a line for each
// run that has ended; both with the time that is left. Owner: the bench command. Threads: one. It
// reads neither clock nor terminal: both come in, so that tests see the same bytes every time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/bench/json.h"
#include "host/telemetry/console.h"

namespace trainhost::bench {

class Progress {
 public:
  /// `height`: lines of the terminal.
  Progress(telemetry::Screen screen, std::size_t height);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  struct Row {
    std::string label;
    std::int64_t runs = 1;  ///< warm-ups included
  };
  void begin(std::vector<Row> rows);
  /// `known`: its result is there already.
  void start(std::size_t row, std::int64_t repeat, bool warmup, bool known);
  /// `seconds` since start.
  void tick(double seconds);
  /// The run that was started has ended.
  void end(const Json& result);
  /// The rest of the row's runs will not be made.
  void skip(std::size_t row, std::int64_t runs);
  /// Takes the table away.
  void finish();

  void info(const std::string& text);
  void warning(const std::string& text);
  /// Seconds for what is left, from the runs made so far; NaN: not known.
  double seconds_left() const;

 private:
  struct Case {
    Row row;
    std::int64_t done = 0, failed = 0, known = 0;
    double seconds = 0;  ///< of the runs made now
    std::vector<double> rates;
    std::string reason;
    std::int64_t made() const { return done + failed - known; }
  };
  void draw();
  void erase();
  std::string line_of(const Case& row, std::size_t width) const;
  std::string turn_text() const;
  std::string left_text() const;

  telemetry::Screen screen_;
  const std::size_t height_;
  std::vector<Case> cases_;
  std::size_t current_ = 0, started_ = 0, total_ = 0, drawn_ = 0;
  std::int64_t repeat_ = 1;
  bool warmup_ = false, known_ = false, running_ = false;
  double elapsed_ = 0;
};

/// "12.3 k samples/s, 5.2 s", "failed: reason".
std::string outcome_text(const Json& result);

}  // namespace trainhost::bench
