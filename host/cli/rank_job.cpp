#include "host/cli/rank_job.h"

#include <fmt/format.h>

#include <map>

#include "host/cli/installed_files.h"
#include "host/cli/memory_file.h"
#include "host/cli/run_audience.h"
#include "host/launch/launch.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::cli {
namespace {

using launch::Ending;

constexpr double kProgressSeconds = 5;

class Listener : public launch::Audience {
 public:
  explicit Listener(const RankJob& job) : label_(job.label), says_stand_ins_(job.says_stand_ins) {}

  void event(int rank, const telemetry::Event& event) override {
    if (const auto* summary = std::get_if<telemetry::Summary>(&event)) {
      said_[summary->rank] = summary->json;
    }
    const auto* stand_in = std::get_if<telemetry::StandIn>(&event);
    if (stand_in != nullptr && says_stand_ins_) output(rank, stand_in->text);
    if (const auto* progress = std::get_if<telemetry::Progress>(&event)) show(*progress);
    const auto* log = std::get_if<telemetry::Log>(&event);
    if (log != nullptr && log->level == Host::Level::kWarning) output(rank, log->text);
  }
  void output(int rank, std::string_view line) override {
    fmt::print(stderr, "[{}, rank {}] {}\n", label_, rank, telemetry::printable(line));
  }
  void notice(std::string_view text) override { fmt::print(stderr, "{}\n", text); }
  void detail(std::string_view) override {}
  void tick(bool) override {}

  const std::map<int, std::string>& said() const { return said_; }

 private:
  /// Preparing data may take minutes.
  void show(const telemetry::Progress& progress) {
    const double now = steady_seconds();
    if (now - shown_ < kProgressSeconds) return;
    shown_ = now;
    fmt::print(stderr, "[{}] {} {}/{}\n", label_, telemetry::printable(progress.what),
               progress.done, progress.total);
  }

  const std::string& label_;
  const bool says_stand_ins_;
  std::map<int, std::string> said_;
  double shown_ = steady_seconds();
};

}  // namespace

std::vector<std::string> run_rank_job(const PreparedRun& run, const RankJob& job) {
  const MemoryFile plan("plan.json", recipe::plan_to_json(run.plan));
  const MemoryFile file("job.json", job.text);
  launch::LaunchOptions options;
  options.rank_program = rank_program();
  options.library_path = run.libtorch.library_path;
  options.plan_file = plan.path();
  options.job = job.name;
  options.job_file = file.path();
  options.limits.stopped_seconds = run.plan.train.timeout;
  options.devices = rank_devices(run);
  Listener listener(job);
  const Ending ending = launch::launch(options, listener);
  if (const auto opening = launch::failed_opening(ending)) {
    throw DevicesNotOpened({.where = job.label, .what = ending.failure->reason},
                           failed_attempt(run, *opening));
  }
  if (ending.failure) {
    throw Error(ending.failure->failure, {.where = job.label, .what = ending.failure->reason});
  }
  if (ending.outcome == Ending::Outcome::kInterrupted) {
    throw Error(Failure::kRun, {.where = job.label, .what = "was interrupted"});
  }
  std::vector<std::string> out;
  for (const auto& [rank, text] : listener.said()) out.push_back(text);
  return out;
}

}  // namespace trainhost::cli
