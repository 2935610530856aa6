// RunAudience: sends what the ranks say to console, run directory and record.
//
// Owner: the run command. Threads: the parent's only thread.
#pragma once

#include "host/launch/supervise.h"
#include "host/telemetry/console.h"
#include "host/telemetry/run_directory.h"
#include "host/telemetry/run_record.h"
#include "host/telemetry/tensorboard_writer.h"

namespace trainhost::cli {

class RunAudience : public launch::Audience {
 public:
  /// `directory` and `events`: null in a process that watches a rank other than 0.
  RunAudience(telemetry::Console& console, telemetry::RunRecord& record,
              telemetry::RunDirectory* directory, telemetry::TensorBoardWriter* events)
      : console_(console), record_(record), directory_(directory), events_(events) {}

  void event(int rank, const telemetry::Event& event) override;
  void output(int rank, std::string_view line) override;
  void notice(std::string_view text) override;
  void detail(std::string_view text) override;
  void tick(bool resized) override;
  /// Hands all files to the kernel, and says so where one cannot be written.
  void flush();

 private:
  void log_event(int rank, const telemetry::Event& event);
  void warn(const std::string& text);

  telemetry::Console& console_;
  telemetry::RunRecord& record_;
  telemetry::RunDirectory* directory_;
  telemetry::TensorBoardWriter* events_;
  int lines_this_tick_ = 0;
};

/// Seconds of a steady clock.
double steady_seconds();

/// What the process's stdout and stderr are, and how wide.
telemetry::Screen process_screen();

}  // namespace trainhost::cli
