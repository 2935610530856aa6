#include "host/plugins/check.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "host/plugins/check_result.h"
#include "host/plugins/child.h"
#include "host/plugins/file_checks.h"
#include "host/plugins/inspect.h"
#include "host/plugins/probe.h"
#include "trainhost/error.h"

namespace trainhost::plugins {
namespace {

using Json = nlohmann::json;

enum class Place { kHere, kRank, kProbe };

struct Check {
  const char* name;
  const char* about;
  Place place;
  std::string (*function)(const std::string& file);  ///< null where the place has its own
  std::array<const char*, 2> needs;                  ///< checks that must have passed
};

constexpr std::array<Check, 12> kChecks{{
    {"readable", "the file can be read", Place::kHere, check_readable, {}},
    {"elf", "a shared object of this machine", Place::kHere, check_elf, {"readable"}},
    {"note", "one note, well-formed", Place::kHere, check_note, {"elf"}},
    {"schema", "options, types, defaults", Place::kHere, check_schema, {"note"}},
    {"fingerprint", "built for this host", Place::kHere, check_fingerprint, {"note"}},
    {"symbols", "exports its entry alone", Place::kHere, check_symbols, {"note"}},
    {"needed", "libraries by name, one LibTorch", Place::kHere, check_needed, {"elf"}},
    {"runpath", "no folder of the build machine", Place::kHere, check_runpath, {"elf"}},
    {"scan", "read in under 100 ms", Place::kHere, check_scan, {"note"}},
    {"load", "loads with all symbols", Place::kRank, nullptr, {"fingerprint"}},
    {"descriptor", "descriptor equals note", Place::kRank, nullptr, {"fingerprint", "load"}},
    {"probe", "a device's probe answers", Place::kProbe, nullptr, {"fingerprint"}},
}};

void read_child(const ChildResult& child, CheckResult& result) {
  // What a plugin itself prints while it is loaded comes before the last line.
  const std::size_t start = child.output.rfind("{\"detail\"");
  const Json json =
      Json::parse(child.output.substr(std::min(start, child.output.size())), nullptr, false);
  const bool good = json.is_object() && json.contains("outcome") && json.contains("detail") &&
                    json["outcome"].is_string() && json["detail"].is_string();
  if (good && child.signal == 0 && !child.timed_out) {
    result.outcome = json["outcome"] == "pass" ? Outcome::kPass : Outcome::kFail;
    result.detail = json["detail"].get<std::string>();
    return;
  }
  result.outcome = Outcome::kCrash;
  if (child.timed_out) {
    result.detail = "it did not end in time";
  } else if (child.signal != 0) {
    result.detail = std::string("ended by signal: ") + strsignal(child.signal);
  } else {
    result.detail = "ended with exit code " + std::to_string(child.exit_code) + " and no result";
  }
}

void run_in_rank(const Check& check, const std::string& file, const CheckSettings& settings,
                 CheckResult& result) {
  if (settings.rank_program.empty()) {
    result.outcome = Outcome::kSkip;
    result.detail =
        settings.why_no_rank.empty() ? "trainhost-rank is not installed" : settings.why_no_rank;
    return;
  }
  const ChildResult child = run_program({settings.rank_program, "--check-plugin", file, check.name},
                                        settings.library_path, settings.timeout_seconds);
  if (child.exit_code == 127 && child.output.empty()) {
    result.outcome = Outcome::kSkip;
    result.detail = settings.rank_program + " cannot be started";
    return;
  }
  read_child(child, result);
}

std::string load_probe(const std::string& file, const std::string& libtorch) {
  const ProbeResult answer = ask_probe("", file, libtorch);
  return answer.devices.empty() ? answer.why_not
                                : std::to_string(answer.devices.size()) + " device(s)";
}

void run(const Check& check, const std::string& file, const CheckSettings& settings,
         CheckResult& result) {
  const bool probe = is_probe(file);
  if (check.place == Place::kHere) {
    const auto work = [&] { return result_line([&] { return check.function(file); }); };
    read_child(run_in_child(work, settings.timeout_seconds), result);
  } else if (probe != (check.place == Place::kProbe)) {
    result.outcome = Outcome::kSkip;
    result.detail = probe ? "the file is a probe" : "the file is no probe";
  } else if (check.place == Place::kProbe) {
    const auto work = [&] {
      return result_line([&] { return load_probe(file, settings.libtorch); });
    };
    read_child(run_in_child(work, settings.timeout_seconds), result);
  } else {
    run_in_rank(check, file, settings, result);
  }
}

/// The first precondition that was run and did not pass, or nullptr.
const char* missing(const Check& check, const std::set<std::string>& not_passed) {
  for (const char* need : check.needs) {
    if (need != nullptr && not_passed.contains(need)) return need;
  }
  return nullptr;
}

void require_known(const std::string& only) {
  const std::vector<std::string> names = check_names();
  if (only.empty() || std::find(names.begin(), names.end(), only) != names.end()) return;
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  throw Error(
      Failure::kUser,
      {.where = "check-plugin --only", .what = "no such check", .expected = known, .got = only});
}

}  // namespace

std::vector<CheckResult> check_plugin(const std::string& file, const CheckSettings& settings) {
  require_known(settings.only);
  const std::string absolute = std::filesystem::absolute(file).lexically_normal().string();
  std::vector<CheckResult> out;
  std::set<std::string> not_passed;
  for (const Check& check : kChecks) {
    if (!settings.only.empty() && settings.only != check.name) continue;
    CheckResult& result = out.emplace_back(CheckResult{check.name, check.about});
    if (const char* need = missing(check, not_passed)) {
      result.outcome = Outcome::kSkip;
      result.detail = std::string("needs '") + need + "'";
    } else {
      const auto start = std::chrono::steady_clock::now();
      run(check, absolute, settings, result);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      result.seconds = taken.count();
    }
    if (result.outcome != Outcome::kPass) not_passed.insert(check.name);
  }
  return out;
}

std::vector<std::string> check_names() {
  std::vector<std::string> out;
  for (const Check& check : kChecks) out.emplace_back(check.name);
  return out;
}

bool conforms(const std::vector<CheckResult>& results) {
  return std::none_of(results.begin(), results.end(), [](const CheckResult& result) {
    return result.outcome == Outcome::kFail || result.outcome == Outcome::kCrash;
  });
}

}  // namespace trainhost::plugins
