#include "host/conformance/report.h"

#include <array>
#include <nlohmann/json.hpp>

#include "host/plugins/report.h"

namespace trainhost::conformance {
namespace {

using Json = nlohmann::ordered_json;

/// A failure's reason has lines of its own: a table would be too wide for it.
bool is_bad(const CheckResult& result) {
  return result.outcome == Outcome::kFail || result.outcome == Outcome::kCrash;
}

std::string summary(const std::vector<CheckResult>& results) {
  std::array<int, 4> counts{};
  for (const CheckResult& result : results) ++counts[static_cast<std::size_t>(result.outcome)];
  std::string out;
  for (const Outcome outcome : {Outcome::kPass, Outcome::kFail, Outcome::kSkip, Outcome::kCrash}) {
    const int count = counts[static_cast<std::size_t>(outcome)];
    if (count == 0) continue;
    out.append(out.empty() ? "" : ", ").append(std::to_string(count)).append(" ");
    out += plugins::outcome_name(outcome);
  }
  return out;
}

std::string quoted(const std::string& word) {
  const bool plain = word.find_first_of(" '\"{}$*?&;()<>|\\") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string worlds_text(const Settings& settings) {
  std::string out;
  for (const int world : settings.worlds) out += (out.empty() ? "" : ",") + std::to_string(world);
  return out;
}

}  // namespace

std::string repeat_command(const Subject& subject, const std::string& check) {
  const Settings& settings = subject.settings;
  const Settings defaults;
  std::string out = "trainhost check-plugin " + quoted(subject.file) + " --only " + check +
                    " --seed " + std::to_string(settings.seed);
  if (settings.worlds != defaults.worlds) out += " --worlds " + worlds_text(settings);
  if (settings.device != defaults.device) out += " --device " + quoted(settings.device);
  for (const std::string& word : settings.overrides) out += " --set " + quoted(word);
  return out;
}

std::string render_text(const Subject& subject, const std::vector<CheckResult>& results) {
  std::vector<std::vector<std::string>> rows;
  for (const CheckResult& result : results) {
    rows.push_back(
        {plugins::outcome_name(result.outcome), result.name, result.about, result.detail});
  }
  std::string out = subject.file + "\n" + plugins::table(rows, "  ");
  for (const CheckResult& result : results) {
    if (is_bad(result)) out += "again: " + repeat_command(subject, result.name) + "\n";
  }
  const char* verdict = conforms(results) ? "conforms" : "does not conform";
  return out + verdict + ": " + summary(results) + "\n";
}

std::string render_json(const Subject& subject, const std::vector<CheckResult>& results) {
  Json checks = Json::array();
  for (const CheckResult& result : results) {
    checks.push_back(Json{{"name", result.name},
                          {"about", result.about},
                          {"outcome", plugins::outcome_name(result.outcome)},
                          {"detail", result.detail},
                          {"seconds", result.seconds},
                          {"repeat", repeat_command(subject, result.name)}});
  }
  const Json out{{"file", subject.file},
                 {"conforms", conforms(results)},
                 {"seed", subject.settings.seed},
                 {"worlds", subject.settings.worlds},
                 {"device", subject.settings.device},
                 {"checks", checks}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string render_list(const std::vector<Check>& checks) {
  std::vector<std::vector<std::string>> rows;
  for (const Check& check : checks) {
    rows.push_back({check.name, check.quick ? "quick" : "", check.about});
  }
  return plugins::table(rows, "");
}

}  // namespace trainhost::conformance
