#include "host/launch/supervise.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <deque>

#include "host/launch/failure_report.h"
#include "host/launch/memory_pressure.h"
#include "host/launch/watched_rank.h"

namespace trainhost::launch {
namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
// A process that SIGKILL does not end sits in the kernel; nobody should wait for it for ever.
constexpr auto kReapPatience = std::chrono::seconds(10);

std::chrono::duration<double> seconds(double value) { return std::chrono::duration<double>(value); }

}  // namespace

class Supervisor::Impl {
 public:
  Impl(const Control& control, Signals& signals, Audience& audience, SupervisionLimits limits)
      : control_(control), signals_(signals), audience_(audience), limits_(limits) {}

  ~Impl() { kill_and_reap(); }

  void add(StartedRank rank) { ranks_.emplace_back(std::move(rank)); }
  Ending run();

 private:
  void wait_for_something(bool more);
  bool read_pipes();
  bool read_pipes_of(WatchedRank& rank);
  void take_event_line(WatchedRank& rank, std::string_view line, bool cut);
  void take_output_line(WatchedRank& rank, std::string_view line);
  void take_signals();
  void interrupt(int signal);
  void look_at_processes();
  void look_at(WatchedRank& rank);
  void take_end(WatchedRank& rank, int status, const rusage& usage);
  void note_failure(WatchedRank& rank, int lost_rank);
  void enforce_deadlines();
  void kill_running();
  void give_up();
  void kill_and_reap();
  bool all_ended() const {
    return std::ranges::none_of(ranks_, [](const WatchedRank& rank) { return rank.running; });
  }
  Ending ending();

  const Control& control_;
  Signals& signals_;
  Audience& audience_;
  const SupervisionLimits limits_;
  const MemoryPressure memory_;

  std::deque<WatchedRank> ranks_;
  int failures_ = 0;
  std::optional<Clock::time_point> failed_at_;
  int interrupted_by_ = 0;
  bool killed_by_user_ = false;
  bool resized_ = false;
  std::optional<Clock::time_point> killed_at_;
  Clock::time_point last_tick_{};
};

Ending Supervisor::Impl::run() {
  bool more = false;
  while (true) {
    wait_for_something(more);
    take_signals();
    look_at_processes();
    more = read_pipes();
    if (killed_at_ && Clock::now() - *killed_at_ > kReapPatience) give_up();
    if (all_ended()) break;
    enforce_deadlines();
    if (Clock::now() - last_tick_ >= kTick) {
      audience_.tick(std::exchange(resized_, false));
      last_tick_ = Clock::now();
    }
  }
  return ending();
}

void Supervisor::Impl::wait_for_something(bool more) {
  std::vector<pollfd> entries{{signals_.fd(), POLLIN, 0}};
  for (const WatchedRank& rank : ranks_) {
    if (rank.events.open()) entries.push_back({rank.events.fd(), POLLIN, 0});
    if (rank.output.open()) entries.push_back({rank.output.fd(), POLLIN, 0});
  }
  poll(entries.data(), entries.size(), more ? 0 : static_cast<int>(kTick.count()));
}

bool Supervisor::Impl::read_pipes() {
  bool more = false;
  for (WatchedRank& rank : ranks_) {
    if (rank.running && read_pipes_of(rank)) more = true;
  }
  return more;
}

bool Supervisor::Impl::read_pipes_of(WatchedRank& rank) {
  const bool more_events = rank.events.read_some(
      [&](std::string_view line, bool cut) { take_event_line(rank, line, cut); });
  const bool more_output =
      rank.output.read_some([&](std::string_view line, bool) { take_output_line(rank, line); });
  return more_events || more_output;
}

void Supervisor::Impl::take_event_line(WatchedRank& rank, std::string_view line, bool cut) {
  try {
    if (cut) throw Error(Failure::kRun, {.where = "event", .what = "the line is too long"});
    const telemetry::Event event = telemetry::from_line(line);
    if (const auto* summary = std::get_if<telemetry::Summary>(&event)) rank.summary = *summary;
    if (const auto* failed = std::get_if<telemetry::Failed>(&event)) {
      if (!rank.failed) rank.failed = *failed;
      // A rank that lost another one does not know who fails; it has raised the word itself.
      note_failure(rank, failed->failure == Failure::kRankLost ? -1 : failed->rank);
    }
    audience_.event(rank.rank, event);
  } catch (const Error& error) {
    audience_.detail(fmt::format("[rank {}] cannot read what it reported ({}): {}", rank.rank,
                                 error.what(), line.substr(0, 200)));
  }
}

void Supervisor::Impl::take_output_line(WatchedRank& rank, std::string_view line) {
  rank.remember_output(line);
  // After a failure the other ranks complain about its consequences.
  if (failed_at_) {
    audience_.detail(fmt::format("[rank {}] {}", rank.rank, line));
  } else {
    audience_.output(rank.rank, line);
  }
}

void Supervisor::Impl::take_signals() {
  for (const int signal : signals_.take()) {
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) interrupt(signal);
    if (signal == SIGWINCH) resized_ = true;
    if (signal != SIGCONT) continue;
    // The whole job was stopped and goes on: the time it slept is no rank's fault.
    for (WatchedRank& rank : ranks_) {
      if (rank.stopped_since) rank.stopped_since = Clock::now();
    }
  }
}

void Supervisor::Impl::interrupt(int signal) {
  if (interrupted_by_ == 0 && !failed_at_) {
    interrupted_by_ = signal;
    control_.ask_to_stop(signal);
    audience_.notice("finishing the step, writing a checkpoint; again to stop at once");
    return;
  }
  if (!killed_by_user_ && !failed_at_) audience_.notice("stopping at once");
  if (interrupted_by_ == 0) interrupted_by_ = signal;
  killed_by_user_ = true;
  kill_running();
}

void Supervisor::Impl::look_at_processes() {
  for (WatchedRank& rank : ranks_) {
    if (rank.running) look_at(rank);
  }
}

void Supervisor::Impl::look_at(WatchedRank& rank) {
  int status = 0;
  rusage usage{};
  while (rank.running) {
    const pid_t got = wait4(rank.pid, &status, WNOHANG | WUNTRACED | WCONTINUED, &usage);
    if (got == 0 || (got < 0 && errno == EINTR)) return;
    if (got < 0) {
      rank.running = false;  // not ours any more: nothing left to wait for
    } else if (WIFSTOPPED(status)) {
      rank.stopped_since = Clock::now();
      rank.stop_signal = WSTOPSIG(status);
      audience_.detail(
          fmt::format("rank {} was stopped by {}", rank.rank, signal_name(rank.stop_signal)));
    } else if (WIFCONTINUED(status)) {
      rank.stopped_since.reset();
      audience_.detail(fmt::format("rank {} goes on", rank.rank));
    } else {
      take_end(rank, status, usage);
    }
  }
}

void Supervisor::Impl::take_end(WatchedRank& rank, int status, const rusage& usage) {
  rank.running = false;
  rank.wait_status = status;
  rank.peak_resident_mb = static_cast<double>(usage.ru_maxrss) / 1024.0;
  if (!rank.killed_by_us) rank.stopped_since.reset();
  const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  // The others should know before its last words are read; those may be many.
  if (!clean && !rank.killed_by_us && !rank.failed) control_.abort_signal().raise(rank.rank);
  rank.events.drain([&](std::string_view line, bool cut) { take_event_line(rank, line, cut); });
  rank.output.drain([&](std::string_view line, bool) { take_output_line(rank, line); });
  if (rank.killed_by_us || (clean && rank.summary)) return;
  note_failure(rank, rank.failed && rank.failed->failure == Failure::kRankLost ? -1 : rank.rank);
}

void Supervisor::Impl::note_failure(WatchedRank& rank, int lost_rank) {
  if (rank.failure_order) return;
  rank.failure_order = failures_++;
  control_.abort_signal().raise(lost_rank);
  if (!failed_at_) failed_at_ = Clock::now();
  audience_.detail(fmt::format("rank {} (pid {}) {}", rank.rank, rank.pid,
                               rank.failed ? "failed: " + rank.failed->what : describe_end(rank)));
}

void Supervisor::Impl::enforce_deadlines() {
  const Clock::time_point now = Clock::now();
  for (WatchedRank& rank : ranks_) {
    if (!rank.stopped_since || !rank.running || rank.killed_by_us) continue;
    const std::chrono::duration<double> stopped = now - *rank.stopped_since;
    // Once another one has failed there is no point in waiting; it may have waited for this one.
    if (!failed_at_ && stopped < seconds(limits_.stopped_seconds)) continue;
    rank.stopped_seconds = stopped.count();
    note_failure(rank, rank.rank);
    rank.killed_by_us = true;
    kill(rank.pid, SIGKILL);
  }
  if (failed_at_ && !killed_at_ && now - *failed_at_ > seconds(limits_.grace_seconds)) {
    kill_running();
  }
}

void Supervisor::Impl::kill_running() {
  if (!killed_at_) killed_at_ = Clock::now();
  for (WatchedRank& rank : ranks_) {
    if (!rank.running) continue;
    rank.killed_by_us = true;
    kill(rank.pid, SIGKILL);
  }
}

void Supervisor::Impl::give_up() {
  for (WatchedRank& rank : ranks_) {
    if (!rank.running) continue;
    audience_.notice(
        fmt::format("rank {} (pid {}) does not end although it was killed: the kernel "
                    "holds it, usually in a driver or a file system",
                    rank.rank, rank.pid));
    rank.running = false;
  }
}

void Supervisor::Impl::kill_and_reap() {
  kill_running();
  for (WatchedRank& rank : ranks_) {
    while (rank.running && waitpid(rank.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    rank.running = false;
  }
}

Ending Supervisor::Impl::ending() {
  Ending out;
  bool interrupted = killed_by_user_;
  for (const WatchedRank& rank : ranks_) {
    const bool told = rank.summary && rank.summary->peak_memory_mb > 0;
    out.peak_memory_mb.push_back(told ? rank.summary->peak_memory_mb : rank.peak_resident_mb);
    if (rank.summary && rank.summary->interrupted) interrupted = true;
  }
  if (const WatchedRank* cause = find_cause(ranks_, control_)) {
    const bool killed = WIFSIGNALED(cause->wait_status) && !cause->stopped_since;
    out.outcome = Ending::Outcome::kFailed;
    out.failure = report_failure(*cause, ranks_, control_, killed ? memory_.hint() : std::string());
    out.exit_code = static_cast<int>(out.failure->failure);
  } else if (interrupted) {
    out.outcome = Ending::Outcome::kInterrupted;
    out.exit_code = 128 + (interrupted_by_ != 0 ? interrupted_by_ : SIGTERM);
    out.checkpoint_written = !killed_by_user_;
  }
  return out;
}

Supervisor::Supervisor(const Control& control, Signals& signals, Audience& audience,
                       SupervisionLimits limits)
    : impl_(std::make_unique<Impl>(control, signals, audience, limits)) {}

Supervisor::~Supervisor() = default;

void Supervisor::add(StartedRank rank) { impl_->add(std::move(rank)); }

Ending Supervisor::run() { return impl_->run(); }

}  // namespace trainhost::launch
