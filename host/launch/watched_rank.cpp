#include "host/launch/watched_rank.h"

#include <fmt/format.h>
#include <string.h>
#include <sys/wait.h>

namespace trainhost::launch {
namespace {

constexpr std::size_t kOutputLine = 4096;
constexpr std::size_t kLastOutput = 12;

}  // namespace

WatchedRank::WatchedRank(StartedRank started)
    : rank(started.rank),
      slot(started.slot),
      threads(started.threads),
      pid(started.pid),
      events(std::move(started.events), telemetry::kMaxLine),
      output(std::move(started.output), kOutputLine) {}

void WatchedRank::remember_output(std::string_view line) {
  last_output.emplace_back(line);
  if (last_output.size() > kLastOutput) last_output.pop_front();
}

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

std::string describe_end(const WatchedRank& rank) {
  if (rank.stopped_since) {
    return fmt::format("was stopped by {} and did not go on for {:.2g} s",
                       signal_name(rank.stop_signal), rank.stopped_seconds);
  }
  if (rank.running) return "is still running";
  if (WIFSIGNALED(rank.wait_status)) {
    return "was killed by " + signal_name(WTERMSIG(rank.wait_status));
  }
  const int code = WEXITSTATUS(rank.wait_status);
  if (code == 0) return "ended before the run was finished";
  return fmt::format("ended with exit code {}", code);
}

}  // namespace trainhost::launch
