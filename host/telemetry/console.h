// Console: what the user sees of a run.
//
// Purpose: banner, live lines on a terminal (plain lines in a pipe), log, evaluation tables,
// results. Results go to `out`, all else to `err`. On a terminal the live lines stand below
// everything else and are drawn anew at most ten times a second. Owner: the parent. Threads: one.
// It never reads the clock or the terminal itself: both come in, so that tests see the same bytes
// every time.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/telemetry/event.h"
#include "host/telemetry/live_lines.h"

namespace trainhost::telemetry {

/// Where the words go.
struct Screen {
  using Output = std::function<void(std::string_view)>;
  Output out;             ///< results
  Output err;             ///< all else
  bool terminal = false;  ///< err is one: live lines
  bool color = false;
  std::size_t width = 80;  ///< of the terminal; boxes and rules in a pipe use it too
};

struct Banner {
  std::string title{};                                      ///< "trainhost 0.1.0"
  std::vector<std::pair<std::string, std::string>> rows{};  ///< key and value
  std::vector<std::string> warnings{};
};

class Console {
 public:
  explicit Console(Screen screen);

  void banner(const Banner& banner);
  /// `now`: seconds of a steady clock, as for tick.
  void take(int rank, const Event& event, double now);
  /// A line from the libraries of a rank.
  void rank_output(int rank, std::string_view line);
  void info(std::string_view text);
  void warning(std::string_view text);
  void error(std::string_view text);
  /// Draws the live lines where they have changed and it is time.
  void tick(double now);
  void resize(std::size_t width);
  /// Takes the live lines away; the last call before the results.
  void finish();
  /// The only thing that goes to stdout.
  void result(std::string_view text);

 private:
  void print(std::string_view text);
  void print_plain_step(const Step& step);
  void take_step(const Step& step, double now);
  void take_ready(const Ready& ready);
  void take_evaluation(const Evaluation& evaluation);
  void take_progress(const Progress& progress, double now);
  void take_log(const Log& log);
  void end_epochs(std::int64_t before_epoch);
  void end_epoch(const std::string& objective);
  void erase_live();
  void draw_live();
  std::string painted(const char* color, std::string_view text) const;

  Screen screen_;
  LiveLines live_;
  std::size_t drawn_ = 0;  ///< live lines on the screen now
  bool stale_ = false;     ///< the live lines have changed since they were drawn
  double drawn_at_ = -1;
  std::int64_t epochs_ = 0;
  std::string device_;  ///< the kind

  /// An objective in its running epoch.
  struct Running {
    std::int64_t epoch = -1, step = 0;
    double loss_sum = 0, weight = 0;  ///< weight: steps that the sums stand for
    double step_ms = 0, wait_ms = 0;
    double rate_sum = 0;  ///< samples × milliseconds / s
    bool warned_of_loader = false;
  };
  std::map<std::string, Running> running_;
  double progress_shown_at_ = -1;
  std::string progress_shown_;
};

}  // namespace trainhost::telemetry
