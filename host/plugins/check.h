// The conformance checks of one plugin file: `trainhost check-plugin FILE`.
//
// Purpose: named checks, each in a process of its own, so that one that crashes or hangs is a
// result like any other. Those that load a plugin run in trainhost-rank, which has LibTorch.
// Threads and ranks: the command-line program's one thread (it forks).
#pragma once

#include <string>
#include <vector>

namespace trainhost::plugins {

enum class Outcome { kPass, kFail, kSkip, kCrash };

struct CheckResult {
  std::string name;
  std::string about;  ///< what is checked, in a few words
  Outcome outcome = Outcome::kPass;
  std::string detail{};  ///< the reason, or what is worth knowing
  double seconds = 0;
};

struct CheckSettings {
  std::string only;             ///< run this check alone; "": all
  std::string rank_program;     ///< trainhost-rank, for the checks that load the plugin
  std::string library_path;     ///< LD_LIBRARY_PATH for it
  std::string why_no_rank;      ///< where rank_program is "": why those checks are skipped
  std::string libtorch;         ///< LibTorch's folder, told to a probe
  double timeout_seconds = 60;  ///< for each check
};

/// Runs the checks in order; one whose precondition failed is skipped. Throws Error (kUser) when
/// `settings.only` is no check.
std::vector<CheckResult> check_plugin(const std::string& file, const CheckSettings& settings);

/// The names of all checks, in the order they run.
std::vector<std::string> check_names();

/// In trainhost-rank, `--check-plugin FILE NAME`: runs the check `name` ("load", "descriptor") and
/// returns its result as one line of JSON, which the program prints to stdout for check_plugin.
std::string check_loaded(const std::string& file, const std::string& name);

/// "pass", "fail", "skip", "crash".
const char* outcome_name(Outcome outcome);

/// Whether the plugin conforms: no check failed or crashed.
bool conforms(const std::vector<CheckResult>& results);

}  // namespace trainhost::plugins
