// Whether a device keeps what device.h and communicator.h promise.
#include <fmt/format.h>

#include <algorithm>

#include "host/conformance/bench.h"
#include "host/conformance/groups.h"

namespace trainhost::conformance {
namespace {

using Json = nlohmann::json;

/// What the probe says of this machine. Throws CheckSkipped where there is no such device.
plugins::ProbeResult probed(const Subject& subject) {
  plugins::Catalog catalog(plugins::SearchPath::standard({subject.file}));
  plugins::ProbeResult answer = catalog.probe_device(subject.info().id, subject.settings.libtorch);
  if (answer.devices.empty()) {
    throw CheckSkipped{"no device '" + subject.info().id + "' here: " + answer.why_not};
  }
  return answer;
}

std::string check_probe(const Subject& subject) {
  const plugins::PluginInfo& info = subject.info();
  if (info.precisions.empty() ||
      std::ranges::find(info.precisions, "fp32") == info.precisions.end()) {
    throw Error(Failure::kPlugin,
                {.where = subject.file, .what = "its note has no fp32 among \"precisions\""});
  }
  if (info.probe.empty()) {
    throw Error(Failure::kPlugin,
                {.where = subject.file,
                 .what = "its note names no probe, so `trainhost` cannot know what is here before "
                         "it loads the plugin",
                 .fix = "add \"probe\": \"NAME.so\" (device_probe.h)"});
  }
  const auto answer = probed(subject);
  return fmt::format("{} device(s): {}", answer.devices.size(), answer.devices.front().name);
}

/// One trial of host/train/device_job.h, in threads of one process or in a process for each rank.
std::string try_it(const Subject& subject, const std::string& trial, bool local,
                   const std::vector<int>& worlds) {
  Bench bench(subject, "tiny", {"strategy=single"});
  std::string detail;
  const auto once = [&](int processes) {
    const Variant variant{.label = trial, .world = local ? worlds.back() : processes};
    const Json job{
        {"trial", trial}, {"local", local}, {"worlds", worlds}, {"seed", subject.settings.seed}};
    const Bench::Answered answered = bench.ask(variant, "device", job.dump(), processes);
    if (answered.ending.failure) {
      throw CheckCrashed{answered.ending.failure->reason + ", " + answered.ending.failure->place};
    }
    for (const Json& said : answered.said) {
      const std::string failure = said.at("failure").get<std::string>();
      if (!failure.empty()) fail(subject, variant, failure);
    }
    for (const Json& said : answered.said) {
      const std::string skip = said.at("skip").get<std::string>();
      if (!skip.empty()) throw CheckSkipped{skip};
      detail = said.at("detail").get<std::string>();
    }
  };
  if (local) {
    once(1);
  } else {
    for (const int world : worlds) once(world);
    detail = fmt::format("{} groups of processes", worlds.size());
  }
  return detail;
}

CheckFunction in_processes(const std::string& trial) {
  return [trial](const Subject& subject) {
    probed(subject);
    return try_it(subject, trial, false, worlds_above_one(subject));
  };
}
CheckFunction in_threads(const std::string& trial) {
  return [trial](const Subject& subject) {
    probed(subject);
    return try_it(subject, trial, true, worlds_of(subject));
  };
}
CheckFunction of_one(const std::string& trial) {
  return [trial](const Subject& subject) {
    probed(subject);
    return try_it(subject, trial, true, {1});
  };
}
/// A wait in vain needs somebody to wait for.
CheckFunction of_two(const std::string& trial, bool local) {
  return [trial, local](const Subject& subject) {
    probed(subject);
    return try_it(subject, trial, local, {std::ranges::max(worlds_above_one(subject))});
  };
}

}  // namespace

std::vector<Check> device_checks() {
  const std::string open = "device.open", even = "collectives.processes",
                    local = "local.collectives";
  return {
      {"device.probe", "probe and note agree", check_probe, {}, true},
      {open, "a hundred times opened and closed, nothing kept", of_one("open"), {}, true},
      {"device.memory", "memory figures move with allocations", of_one("memory"), {open}, true},
      {even, "processes: every operation, type and reduction", in_processes("collectives"), {open}},
      {"collectives.uneven",
       "processes: other counts for each rank, also none",
       in_processes("uneven"),
       {even}},
      {"collectives.async", "processes: many operations under way", in_processes("async"), {even}},
      {"collectives.rank-order",
       "processes: sums in rank order, where that is said",
       in_processes("rank-order"),
       {even}},
      {"collectives.abort",
       "processes: the run's abort wakes who waits",
       of_two("abort", false),
       {even}},
      {"collectives.timeout",
       "processes: a time-out names operation and rank",
       of_two("timeout", false),
       {even}},
      {local,
       "threads: every operation, type and reduction",
       in_threads("collectives"),
       {open},
       true},
      {"local.uneven",
       "threads: other counts for each rank, also none",
       in_threads("uneven"),
       {local, "collectives.uneven"}},
      {"local.async", "threads: many operations under way", in_threads("async"), {local}},
      {"local.rank-order",
       "threads: sums in rank order, where that is said",
       in_threads("rank-order"),
       {local}},
      {"local.abort", "threads: the run's abort wakes who waits", of_two("abort", true), {local}},
      {"local.abort-one",
       "threads: Communicator::abort wakes who waits on it",
       of_two("abort-one", true),
       {local}},
      {"local.timeout",
       "threads: a time-out names operation and rank",
       of_two("timeout", true),
       {local}}};
}

}  // namespace trainhost::conformance
