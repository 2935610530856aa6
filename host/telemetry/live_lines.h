// LiveLines: the text of the lines that move while a run goes on.
//
// Owner: the Console. Threads: one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/telemetry/event.h"

namespace trainhost::telemetry {

class LiveLines {
 public:
  void start(const Ready& ready);
  void step(const Step& step);
  void progress(const Progress& progress, double now);
  void end_progress() { progress_.reset(); }
  void clear();

  /// One line for each objective that has begun, one for a long piece of work; each at most `width`
  /// columns.
  std::vector<std::string> text(std::size_t width) const;

 private:
  struct Work {
    Progress last;
    double began = 0, now = 0;
    std::int64_t first = 0;
  };
  std::string step_line(const Step& step, std::size_t width) const;
  static std::string progress_line(const Work& work, std::size_t width);

  std::int64_t epochs_ = 0;
  std::string device_;  ///< the kind
  std::size_t name_width_ = 0;
  std::vector<Step> steps_;  ///< the last one of each objective; gauges: the last that were known
  std::optional<Work> progress_;
};

}  // namespace trainhost::telemetry
