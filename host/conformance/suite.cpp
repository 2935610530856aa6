#include "host/conformance/suite.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <set>

#include "host/conformance/groups.h"
#include "host/plugins/child.h"
#include "host/plugins/inspect.h"
#include "trainhost/error.h"

namespace trainhost::conformance {
namespace {

/// What must have passed before strategies, devices or models are tried.
constexpr const char* kLoaded = "descriptor";

void add(std::vector<Check>& out, std::vector<Check> group) {
  for (Check& check : group) check.needs.emplace_back(kLoaded);
  std::ranges::move(group, std::back_inserter(out));
}

bool is_wanted(const Check& check, const Settings& settings) {
  if (settings.only.empty()) return check.quick || !settings.quick;
  return std::ranges::any_of(settings.only, [&](const std::string& only) {
    return check.name == only || check.name.starts_with(only + ".");
  });
}

void require_known(const std::vector<Check>& checks, const Settings& settings) {
  for (const std::string& only : settings.only) {
    Settings one = settings;
    one.only = {only};
    if (std::ranges::any_of(checks, [&](const Check& c) { return is_wanted(c, one); })) continue;
    std::string known;
    for (const Check& check : checks) known += (known.empty() ? "" : ", ") + check.name;
    throw Error(Failure::kUser, {.where = "check-plugin --only",
                                 .what = "no such check of this plugin",
                                 .expected = known,
                                 .got = only});
  }
}

/// The first precondition that was run and did not pass, or nullptr.
const std::string* missing(const Check& check, const std::set<std::string>& not_passed) {
  const auto found = std::ranges::find_if(
      check.needs, [&](const std::string& need) { return not_passed.contains(need); });
  return found == check.needs.end() ? nullptr : &*found;
}

void run(const Check& check, const Subject& subject, CheckResult& result) {
  const auto start = std::chrono::steady_clock::now();
  const auto work = [&] { return plugins::result_line([&] { return check.run(subject); }); };
  const plugins::ReadResult said =
      plugins::read_result(plugins::run_in_child(work, subject.settings.timeout_seconds));
  result.outcome = said.outcome;
  result.detail = said.detail;
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  result.seconds = taken.count();
}

}  // namespace

Subject subject_of(const std::string& file, const Settings& settings) {
  Subject out{std::filesystem::absolute(file).lexically_normal().string(), std::nullopt, settings};
  out.note = plugins::inspect(out.file).note;
  return out;
}

std::vector<Check> checks_for(const Subject& subject) {
  std::vector<Check> out = file_checks(subject);
  if (!subject.note || subject.note->is_probe) return out;
  switch (subject.info().kind) {
    case plugins::Kind::kStrategy:
      add(out, equivalence_checks(subject));
      add(out, claims_checks(subject));
      add(out, checkpoint_checks(subject));
      add(out, failure_checks(subject));
      add(out, leak_checks(subject));
      break;
    case plugins::Kind::kDevice:
      add(out, device_checks());
      break;
    case plugins::Kind::kModel:
      add(out, model_checks(subject));
      break;
  }
  return out;
}

std::vector<CheckResult> check_plugin(const std::string& file, const Settings& settings,
                                      const Progress& progress) {
  const Subject subject = subject_of(file, settings);
  std::vector<Check> checks = checks_for(subject);
  require_known(checks, settings);
  std::erase_if(checks, [&](const Check& check) { return !is_wanted(check, settings); });
  std::vector<CheckResult> out;
  std::set<std::string> not_passed;
  for (const Check& check : checks) {
    if (progress) progress(out.size(), checks.size(), check, nullptr);
    CheckResult& result = out.emplace_back(CheckResult{check.name, check.about});
    if (const std::string* need = missing(check, not_passed)) {
      result.outcome = Outcome::kSkip;
      result.detail = "needs '" + *need + "'";
    } else {
      run(check, subject, result);
    }
    if (result.outcome != Outcome::kPass) not_passed.insert(check.name);
    if (progress) progress(out.size() - 1, checks.size(), check, &result);
  }
  return out;
}

bool conforms(const std::vector<CheckResult>& results) {
  return std::ranges::none_of(results, [](const CheckResult& result) {
    return result.outcome == Outcome::kFail || result.outcome == Outcome::kCrash;
  });
}

}  // namespace trainhost::conformance
