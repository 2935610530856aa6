#include "host/launch/failure_report.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>

namespace trainhost::launch {
namespace {

constexpr std::size_t kShownOutput = 8;

// The dynamic loader ends a process so, before its main.
constexpr int kLoaderExit = 127;

bool blames_another(const WatchedRank& rank) {
  return rank.failed && !rank.stopped_since && rank.failed->failure == Failure::kRankLost;
}

// Smaller is likelier to be the cause: a rank that says another one is lost is a witness, and among
// witnesses the one that raised the alarm comes first; then the order of time.
std::array<int, 3> precedence(const WatchedRank& rank, int lost_rank) {
  const int said = rank.failed && rank.failed->rank >= 0 ? rank.failed->rank : rank.rank;
  return {blames_another(rank) ? 1 : 0, said == lost_rank ? 0 : 1, *rank.failure_order};
}

Failure failure_of(const WatchedRank& rank) {
  if (rank.failed) return rank.failed->failure;
  const bool loader = !rank.running && WIFEXITED(rank.wait_status) &&
                      WEXITSTATUS(rank.wait_status) == kLoaderExit && !rank.stopped_since;
  return loader ? Failure::kDevice : Failure::kRankLost;
}

std::string reason_of(const WatchedRank& rank) {
  if (!rank.failed) return describe_end(rank);
  const telemetry::Failed& said = *rank.failed;
  return Error(said.failure, {said.where, said.what, said.expected, said.got, said.fix}).what();
}

std::string brief_of(const WatchedRank& rank) {
  if (!rank.failed) return describe_end(rank);
  std::string out = rank.failed->what;
  if (!rank.failed->got.empty()) out += " (" + rank.failed->got + ")";
  std::ranges::replace(out, '\n', ' ');
  return out;
}

std::string indented(const std::string& text) {
  std::string out;
  for (const char letter : text) {
    out += letter;
    if (letter == '\n') out += "  ";
  }
  return out;
}

// "rank 3", or "ranks 0 to 3" where they are threads of one process that died.
std::string who(const WatchedRank& rank, int said) {
  if (rank.threads == 1 || rank.failed) return fmt::format("rank {}", said);
  return fmt::format("the process of ranks {} to {}", rank.rank, rank.rank + rank.threads - 1);
}

// What the rank was doing, or each of the ranks of a process that died.
std::string place_of(const WatchedRank& rank, const Control& control) {
  if (rank.failed && !rank.failed->doing.empty()) return rank.failed->doing;
  const std::string first = control.doing(rank.slot);
  std::string all = fmt::format("rank {}: {}", rank.rank, first);
  bool alike = true;
  for (int thread = 1; thread < std::min(rank.threads, 8); ++thread) {
    const std::string doing = control.doing(rank.slot + thread);
    alike = alike && doing == first;
    all += fmt::format("; rank {}: {}", rank.rank + thread, doing);
  }
  if (!alike && !rank.failed) return all;
  return first.empty() ? "starting" : first;
}

// Ranks that others waited for in vain, and that had to be killed: where each was last seen.
std::string missing_ranks(const WatchedRank& cause, const std::deque<WatchedRank>& ranks,
                          const Control& control) {
  std::string out;
  if (!blames_another(cause)) return out;
  for (const WatchedRank& other : ranks) {
    if (!other.killed_by_us || other.failure_order) continue;
    const std::string doing = control.doing(other.slot);
    out += fmt::format("\n  lost:     rank {} (pid {}) did not answer; it was last {}", other.rank,
                       other.pid, doing.empty() ? "starting" : doing);
  }
  return out;
}

}  // namespace

const WatchedRank* find_cause(const std::deque<WatchedRank>& ranks, const Control& control) {
  const int lost = control.abort_signal().lost_rank();
  const WatchedRank* best = nullptr;
  for (const WatchedRank& rank : ranks) {
    if (!rank.failure_order) continue;
    if (best == nullptr || precedence(rank, lost) < precedence(*best, lost)) best = &rank;
  }
  return best;
}

FailureReport report_failure(const WatchedRank& cause, const std::deque<WatchedRank>& ranks,
                             const Control& control, const std::string& hint) {
  FailureReport out;
  out.rank = cause.failed && cause.failed->rank >= 0 ? cause.failed->rank : cause.rank;
  out.failure = failure_of(cause);
  out.place = place_of(cause, control);
  out.reason = reason_of(cause);
  out.brief = brief_of(cause);
  out.text = fmt::format("{} (pid {}) {}{}\n  place:    {}", who(cause, out.rank), cause.pid,
                         cause.failed ? "failed: " : "", indented(out.reason), out.place);
  out.text += missing_ranks(cause, ranks, control);
  if (out.failure == Failure::kDevice && !cause.failed) {
    out.text +=
        "\n  fix:      LibTorch or another library could not be loaded; point "
        "TRAINHOST_LIBTORCH to a LibTorch of the version this build needs";
  }
  if (!hint.empty()) out.text += "\n  hint:     " + hint;
  const std::size_t lines = std::min(kShownOutput, cause.last_output.size());
  if (lines > 0) out.text += "\n  its last output:";
  for (std::size_t i = cause.last_output.size() - lines; i < cause.last_output.size(); ++i) {
    out.text += "\n    " + cause.last_output[i];
  }
  return out;
}

}  // namespace trainhost::launch
