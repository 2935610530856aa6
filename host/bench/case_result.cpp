#include "host/bench/case_result.h"

#include <algorithm>
#include <utility>

#include "host/bench/statistics.h"

namespace trainhost::bench {
namespace {

/// What belongs to one run and not to the case.
constexpr const char* kOfOneRun[] = {"key",   "repeat", "warmup",        "reused", "load_before",
                                     "label", "log",    "run_directory", "command"};

constexpr std::pair<const char*, const char*> kSpreads[] = {{"samples_per_s", "samples_per_s"},
                                                            {"step_ms", "step_ms.median"},
                                                            {"step_ms_p95", "step_ms.p95"},
                                                            {"peak_memory_mb", "peak_memory_mb"},
                                                            {"wall_seconds", "wall_seconds"}};

Json spreads(const std::vector<Json>& runs) {
  Json out = Json::object();
  for (const auto& [name, path] : kSpreads) {
    std::vector<double> values;
    for (const Json& run : runs) values.push_back(number_of(at_path(run, path)));
    const Json spread = to_json(spread_of(values));
    if (!spread.is_null()) out[name] = spread;
  }
  return out;
}

/// A few members of each, since tables of scripts are bounded.
Json shortened(const std::vector<Json>& runs) {
  Json out = Json::array();
  for (const Json& run : runs) {
    Json& made = out.emplace_back();
    for (const char* key :
         {"outcome", "repeat", "warmup", "samples_per_s", "wall_seconds", "log"}) {
      made[key] = at_path(run, key);
    }
  }
  return out;
}

}  // namespace

Json medians(const std::vector<Json>& values) {
  if (values.empty()) return nullptr;
  const Json& first = values.front();
  const auto all = [&](auto&& is) { return std::ranges::all_of(values, is); };
  if (std::ranges::all_of(values, [&](const Json& value) { return value == first; })) return first;
  if (all([](const Json& value) { return value.is_number(); })) {
    std::vector<double> numbers;
    for (const Json& value : values) numbers.push_back(value.get<double>());
    return spread_of(numbers).median;
  }
  if (!all([](const Json& value) { return value.is_object(); })) return first;
  Json out = Json::object();
  for (const auto& [key, ignored] : first.items()) {
    std::vector<Json> members;
    for (const Json& value : values) {
      if (value.contains(key)) members.push_back(value[key]);
    }
    out[key] = medians(members);
  }
  return out;
}

Json case_result(const Case& which, const std::vector<Json>& runs) {
  std::vector<Json> measured;
  const Json* failed = nullptr;
  for (const Json& run : runs) {
    const bool done = at_path(run, "outcome") == "done";
    if (!done && failed == nullptr) failed = &run;
    if (done && !run.value("warmup", false)) measured.push_back(run);
  }
  Json out = {{"label", which.label},
              {"recipe", which.recipe},
              {"overrides", which.overrides},
              {"at", which.at}};
  const Json merged = medians(measured);
  if (merged.is_object()) out.update(merged);
  for (const char* key : kOfOneRun) {
    if (std::string_view(key) != "label") out.erase(key);
  }
  out["label"] = which.label;
  out["outcome"] = failed != nullptr ? "failed" : "done";
  out["reason"] = failed != nullptr ? at_path(*failed, "reason") : Json();
  out["exit_code"] = failed != nullptr ? at_path(*failed, "exit_code") : Json(0);
  out["repeats"] = measured.size();
  out["spread"] = spreads(measured);
  out["runs"] = shortened(runs);
  const Json* told = failed != nullptr ? failed : runs.empty() ? nullptr : &runs.back();
  out["log"] = told != nullptr ? at_path(*told, "log") : Json();
  return out;
}

}  // namespace trainhost::bench
