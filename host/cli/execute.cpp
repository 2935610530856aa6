#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/cli/memory_file.h"
#include "host/cli/run_audience.h"
#include "host/cli/run_banner.h"
#include "host/cli/run_events.h"
#include "host/launch/launch.h"
#include "host/launch/opening.h"
#include "host/telemetry/evaluation_table.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::cli {
namespace {

using launch::Ending;

launch::LaunchOptions launch_options(const PreparedRun& run, const std::string& plan_file,
                                     const std::string& run_directory) {
  launch::LaunchOptions out;
  out.rank_program = rank_program();
  out.library_path = run.libtorch.library_path;
  out.plan_file = plan_file;
  out.run_directory = run_directory;
  out.resume = run.resume;
  out.foreign = run.foreign;
  out.limits.stopped_seconds = run.plan.train.timeout;
  out.devices = rank_devices(run);
  return out;
}

telemetry::RunFacts run_facts(const PreparedRun& run) {
  return {.name = run.plan.name,
          .recipe = run.plan.recipe_file,
          .model = run.plan.model.id,
          .strategy = run.plan.strategy.id,
          .precision = run.plan.precision,
          .device = run.plan.device_kind,
          .fallback = run.placement.reached_by_fallback ? run.placement.chain : std::string(),
          .ranks = static_cast<int>(run.plan.ranks)};
}

telemetry::RunOutcome run_outcome(const Ending& ending, double seconds) {
  telemetry::RunOutcome out;
  if (ending.outcome == Ending::Outcome::kFailed) out.outcome = "failed";
  if (ending.outcome == Ending::Outcome::kInterrupted) out.outcome = "interrupted";
  if (ending.failure) out.error = ending.failure->text;
  out.exit_code = ending.exit_code;
  out.peak_memory_mb = ending.peak_memory_mb;
  out.seconds = seconds;
  return out;
}

std::string result_text(const telemetry::RunRecord& record, const std::string& run_directory,
                        std::size_t width) {
  std::string out;
  if (record.best()) {
    const telemetry::Evaluation& best = *record.best();
    out += fmt::format("best result, {}{}{}\n", telemetry::place_of(best),
                       best.split.empty() ? "" : ", ", telemetry::printable(best.split));
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    out += telemetry::evaluation_table(best, terminal ? width : telemetry::kAnyWidth);
  }
  return out + "run directory: " + run_directory + "\n";
}

std::string peak_text(const std::vector<double>& megabytes) {
  std::string out;
  for (std::size_t rank = 0; rank < megabytes.size() && rank < 8; ++rank) {
    out += fmt::format("{}{:.0f}", rank == 0 ? "" : ", ", megabytes[rank]);
  }
  return out + (megabytes.size() > 8 ? ", … MB" : " MB");
}

void report_ending(const Ending& ending, const telemetry::RunRecord& record,
                   const std::string& run_directory, double seconds, telemetry::Console& console) {
  console.finish();
  switch (ending.outcome) {
    case Ending::Outcome::kDone:
      console.info(fmt::format("done in {}, peak memory by rank {}",
                               telemetry::duration_text(seconds),
                               peak_text(ending.peak_memory_mb)));
      console.result(result_text(record, run_directory, process_screen().width));
      return;
    case Ending::Outcome::kInterrupted:
      console.info(ending.checkpoint_written && !record.checkpoint().empty()
                       ? "interrupted; go on with: trainhost resume " + run_directory
                       : "interrupted" + (record.checkpoint().empty()
                                              ? std::string(" before the first checkpoint")
                                              : "; the last checkpoint is " + record.checkpoint()));
      return;
    case Ending::Outcome::kFailed:
      console.error(ending.failure->text);
      if (!record.checkpoint().empty()) {
        console.info("go on from the last checkpoint with: trainhost resume " + run_directory);
      }
      console.info("log: " + run_directory + "/log.txt");
  }
}

// A disk that is full may not take the summary either; that must not hide what has happened.
bool keep_summary(const telemetry::RunDirectory& directory, const std::string& json,
                  telemetry::Console& console) {
  try {
    directory.write_summary(json);
    return true;
  } catch (const Error& error) {
    console.finish();
    console.error(error.what());
    return false;
  }
}

/// A run with its files and its console, through as many attempts as it takes to open devices.
class Attempts {
 public:
  Attempts(PreparedRun run, telemetry::RunDirectory directory, FailedAttempts failed)
      : run_(std::move(run)),
        directory_(std::move(directory)),
        console_(process_screen()),
        record_(run_facts(run_)),
        failed_(std::move(failed)) {
    directory_.lock();
  }

  /// Starts the ranks and stays with them to their end.
  Ending make() {
    directory_.write_plan(recipe::plan_to_json(run_.plan));
    console_.banner(run_banner(run_, directory_.path()));
    directory_.log(fmt::format("trainhost {}: {}, {}", TRAINHOST_VERSION, run_.plan.recipe_file,
                               run_.placement.chain));
    record_ = telemetry::RunRecord(run_facts(run_));
    if (!run_.resume.empty()) record_.take(0, telemetry::Checkpoint{.path = run_.resume});
    telemetry::TensorBoardWriter events = begin_events(run_, directory_);
    events_file_ = events.path();
    RunAudience audience(console_, record_, &directory_, &events);
    try {
      const Ending ending =
          launch::launch(launch_options(run_, directory_.plan_file(), directory_.path()), audience);
      audience.flush();
      return ending;
    } catch (const Error& error) {
      keep_failure(error);
      throw;
    }
  }

  /// Where devices did not open and the recipe allows others: takes those, aloud.
  bool begin_again(const Ending& ending, const Replan& replan) {
    const auto opening = launch::failed_opening(ending);
    // Under a foreign launcher this process cannot speak for the other ranks.
    if (!opening || run_.foreign) return false;
    failed_.push_back(failed_attempt(run_, *opening));
    try {
      run_ = replan(failed_);
    } catch (const Error& error) {
      if (error.failure() != Failure::kDevice) {
        keep_failure(error);
        throw;
      }
      nothing_else_ = error.what();
      return false;
    }
    console_.finish();
    directory_.log("the devices did not open: " + ending.failure->text);
    // What was begun for the devices that did not open says nothing of this run.
    std::filesystem::remove(events_file_);
    return true;
  }

  /// Says how the run ended; the exit code.
  int report(const Ending& ending) {
    const double seconds = steady_seconds() - began_;
    telemetry::RunOutcome outcome = run_outcome(ending, seconds);
    if (!nothing_else_.empty()) outcome.error += "\n" + nothing_else_;
    directory_.log("the run ended: " + outcome.outcome +
                   (outcome.error.empty() ? "" : ": " + outcome.error));
    directory_.flush();
    const bool kept = keep_summary(directory_, record_.summary(outcome), console_);
    report_ending(ending, record_, directory_.path(), seconds, console_);
    if (!nothing_else_.empty()) console_.error(nothing_else_);
    return kept || ending.exit_code != 0 ? ending.exit_code : static_cast<int>(Failure::kRun);
  }

 private:
  void keep_failure(const Error& error) {
    console_.finish();
    directory_.log(error.what());
    keep_summary(directory_,
                 record_.summary({.outcome = "failed",
                                  .error = error.what(),
                                  .exit_code = static_cast<int>(error.failure()),
                                  .peak_memory_mb = {},
                                  .seconds = steady_seconds() - began_}),
                 console_);
  }

  const double began_ = steady_seconds();
  PreparedRun run_;
  telemetry::RunDirectory directory_;
  telemetry::Console console_;
  telemetry::RunRecord record_;
  FailedAttempts failed_;
  std::string events_file_;
  std::string nothing_else_;  ///< why the recipe allows no further devices
};

}  // namespace

int execute(PreparedRun run, telemetry::RunDirectory directory, FailedAttempts failed,
            const Replan& replan) {
  Attempts attempts(std::move(run), std::move(directory), std::move(failed));
  while (true) {
    const Ending ending = attempts.make();
    if (!attempts.begin_again(ending, replan)) return attempts.report(ending);
  }
}

int execute_placed_rank(const PreparedRun& run, const std::string& run_directory) {
  // Only rank 0 has a run directory; this one's plan lives as long as its process.
  const MemoryFile plan("plan.json", recipe::plan_to_json(run.plan));
  telemetry::Console console(process_screen());
  telemetry::RunRecord record(run_facts(run));
  RunAudience audience(console, record, nullptr, nullptr);
  const Ending ending = launch::launch(launch_options(run, plan.path(), run_directory), audience);
  console.finish();
  if (ending.failure) console.error(ending.failure->text);
  return ending.exit_code;
}

}  // namespace trainhost::cli
