#include "host/bench/run_result.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "host/bench/out_folder.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::bench {
namespace {

constexpr std::size_t kLargestSummary = std::size_t{4} << 20;
constexpr std::size_t kTail = std::size_t{256} << 10;
constexpr std::size_t kLongestReason = 300;
constexpr std::string_view kErrorMark = "trainhost: error: ";

std::string tail_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(0, std::ios::end);
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(0, in.tellg()));
  const std::size_t kept = std::min(size, kTail);
  std::string out(kept, '\0');
  in.seekg(static_cast<std::streamoff>(size - kept));
  in.read(out.data(), static_cast<std::streamsize>(kept));
  return out;
}

/// The sentence and, where a list of mistakes follows, the first of them.
std::string one_line(const std::string& text) {
  const std::size_t end = text.find('\n');
  std::string line = text.substr(0, end);
  const bool list = line.ends_with("mistakes") || line.ends_with(':');
  if (list && end != std::string::npos) {
    const std::size_t begin = text.find_first_not_of(' ', end + 1);
    if (begin != std::string::npos) {
      line +=
          (line.ends_with(':') ? " " : ": ") + text.substr(begin, text.find('\n', begin) - begin);
    }
  }
  return telemetry::cut(telemetry::printable(line), kLongestReason);
}

/// The metric that the run looked at, in the last evaluation that named one.
std::string watched_metric(const std::string& run_directory) {
  std::string out;
  std::ifstream lines(run_directory + "/metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    if (line.find("\"watched\"") == std::string::npos) continue;
    const Json watched = at_path(parse(line), "watched");
    if (watched.is_string()) out = watched.get<std::string>();
  }
  return out;
}

/// A mean over the steps of all objectives, as what was sent is.
Json claimed_traffic(const Json& claims, const Json& objectives) {
  const Json traffic = at_path(claims, "traffic");
  double bytes = 0, steps = 0;
  if (!traffic.is_object() || !objectives.is_object()) return nullptr;
  for (const auto& [name, costs] : objectives.items()) {
    const double count = number_of(at_path(costs, "steps"));
    if (!(count > 0) || !traffic.contains(name)) continue;
    bytes += count * number_of(traffic[name]);
    steps += count;
  }
  return steps > 0 ? Json(bytes / steps) : Json();
}

void add_training(const Json& summary, const std::string& run_directory, Json& out) {
  const Json steps = at_path(summary, "all_steps");
  out["samples_per_s"] = at_path(steps, "samples_per_s");
  out["step_ms"] = at_path(steps, "step_ms");
  out["sent_bytes_per_step"] = at_path(steps, "sent_bytes_per_step");
  for (const char* key :
       {"objectives", "seconds", "final", "best", "baseline", "steps", "epochs", "ranks",
        "strategy", "model", "precision", "device", "stand_in", "fallback", "claims"}) {
    out[key] = at_path(summary, key);
  }
  const Json memory = at_path(summary, "peak_memory_mb");
  out["memory_mb_by_rank"] = memory;
  double most = -1;
  if (memory.is_array()) {
    for (const Json& rank : memory) most = std::max(most, number_of(rank));
  }
  out["peak_memory_mb"] = most > 0 ? Json(most) : Json();
  if (out["claims"].is_object()) {
    out["claims"]["sent_bytes_per_step"] = claimed_traffic(out["claims"], out["objectives"]);
  }
  const std::string watched = watched_metric(run_directory);
  out["watched"] = watched.empty() ? Json() : Json(watched);
}

}  // namespace

std::string reason_of(const ChildEnd& end, const std::string& log) {
  if (end.timed_out) return fmt::format("it took longer than its time-out and was ended");
  if (end.signal != 0)
    return fmt::format("ended by signal {} ({})", end.signal, strsignal(end.signal));
  const std::string text = tail_of(log);
  const std::size_t mark = text.rfind(kErrorMark);
  if (mark != std::string::npos) return one_line(text.substr(mark + kErrorMark.size()));
  return fmt::format("exit code {}", end.exit_code);
}

Json read_result(const ChildEnd& end, const std::string& run_directory, const std::string& log) {
  const Json summary = parse(read_some(run_directory + "/summary.json", kLargestSummary));
  const bool done = end.exit_code == 0 && at_path(summary, "outcome") == "done";
  Json out;
  out["outcome"] = done ? "done" : "failed";
  out["exit_code"] = end.exit_code >= 0 ? Json(end.exit_code) : Json();
  out["signal"] = end.signal != 0 ? Json(end.signal) : Json();
  out["reason"] = nullptr;
  out["wall_seconds"] = end.seconds;
  if (done) {
    add_training(summary, run_directory, out);
    return out;
  }
  const Json error = at_path(summary, "error");
  out["reason"] = error.is_string() && !end.timed_out ? one_line(error.get<std::string>())
                                                      : reason_of(end, log);
  return out;
}

}  // namespace trainhost::bench
