#include "host/bench/runner.h"

#include <csignal>
#include <filesystem>

#include "host/bench/machine.h"
#include "host/bench/run_key.h"
#include "host/bench/run_result.h"
#include "trainhost/error.h"

namespace trainhost::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestRecipe = std::size_t{1} << 20;
constexpr std::size_t kLargestResult = std::size_t{4} << 20;

Json answer_of(const ChildEnd& end, const std::string& out_file, const std::string& log) {
  Json answer = parse(read_some(out_file, kLargestResult));
  const bool done = end.exit_code == 0 && !answer.is_null();
  Json out;
  out["outcome"] = done ? "done" : "failed";
  out["exit_code"] = end.exit_code >= 0 ? Json(end.exit_code) : Json();
  out["reason"] = done ? Json() : Json(reason_of(end, log));
  out["wall_seconds"] = end.seconds;
  out["answer"] = std::move(answer);
  return out;
}

/// They may be gigabytes each, and a finished run has told what was asked of it.
void remove_models(const std::string& run_directory) {
  std::error_code ignored;
  fs::remove_all(run_directory + "/checkpoints", ignored);
  fs::remove_all(run_directory + "/best", ignored);
}

}  // namespace

std::string Runner::identity_of(const RunRequest& request) const {
  return RunIdentity{places_.identity, read_some(request.recipe, kLargestRecipe), request.words,
                     request.repeat, request.warmup}
      .text();
}

Json Runner::known(const RunRequest& request) const {
  if (places_.fresh) return nullptr;
  const std::string identity = identity_of(request);
  Json found =
      parse(read_some(places_.out.path() + "/runs/" + key_of(identity) + ".json", kLargestResult));
  const bool same = at_path(found, "identity") == identity && at_path(found, "outcome") == "done";
  return same ? found : Json();
}

bool Runner::is_known(const RunRequest& request) const { return !known(request).is_null(); }

std::vector<std::string> Runner::command_of(const RunRequest& request,
                                            const std::string& folder) const {
  std::vector<std::string> out{places_.program};
  out.insert(out.end(), request.words.begin(), request.words.end());
  if (request.kind == RunRequest::Kind::kTrain) out.insert(out.end(), {"--run-dir", folder});
  for (const std::string& plugin : places_.plugins) out.insert(out.end(), {"--plugin", plugin});
  return out;
}

Json Runner::run(const RunRequest& request, const std::function<void(double seconds)>& tick) {
  check_signals();
  const std::string identity = identity_of(request), key = key_of(identity);
  const std::string base = places_.out.path() + "/runs/" + key;
  Json out = known(request);
  const bool reused = !out.is_null();
  if (!reused) {
    std::error_code ignored;
    fs::remove_all(base, ignored);
    fs::remove(base + ".json", ignored);
    const bool trains = request.kind == RunRequest::Kind::kTrain;
    const double load = load_now();
    const ChildCommand command{.words = command_of(request, base),
                               .out_file = trains ? base + ".log" : base + ".answer.json",
                               .err_file = base + ".log",
                               .timeout = request.timeout};
    const ChildEnd end = run_child(command, places_.signals, tick);
    take_note(end);
    out = trains ? read_result(end, base, base + ".log")
                 : answer_of(end, command.out_file, base + ".log");
    out["command"] = request.words;
    out["command"].insert(out["command"].begin(), "trainhost");
    out["load_before"] = load;
    out["identity"] = identity;
    write_whole(base + ".json", dump(out));
    if (trains && !request.keep && out["outcome"] == "done") remove_models(base);
  }
  out.erase("identity");
  out["label"] = request.label;
  out["repeat"] = request.repeat;
  out["warmup"] = request.warmup;
  out["key"] = key;
  out["reused"] = reused;
  out["log"] = "runs/" + key + ".log";
  out["run_directory"] = request.kind == RunRequest::Kind::kTrain ? Json("runs/" + key) : Json();
  return out;
}

void Runner::take_note(const ChildEnd& end) {
  if (end.interrupted != 0) stop(end.interrupted);
}

void Runner::check_signals() {
  for (const int signal : places_.signals.take()) {
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) stop(signal);
  }
}

void Runner::stop(int signal) {
  interrupted_ = signal;
  throw Error(Failure::kRun, {.where = places_.out.path(), .what = "interrupted"});
}

}  // namespace trainhost::bench
