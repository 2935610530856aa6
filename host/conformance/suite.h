// The conformance suite: which checks a plugin has to pass, each run in a process of its own, so
// that one that crashes or hangs is a result like any other.
//
// Threads and ranks: the command-line program's one thread (it forks).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/conformance/check.h"

namespace trainhost::conformance {

struct CheckResult {
  std::string name, about;
  Outcome outcome = Outcome::kPass;
  std::string detail{};  ///< the reason, or what is worth knowing
  double seconds = 0;
};

/// Called when a check begins (without `result`) and when it has ended.
using Progress = std::function<void(std::size_t index, std::size_t count, const Check& check,
                                    const CheckResult* result)>;

/// The checks that this file, as far as its note can be read, has to pass, in the order they run.
std::vector<Check> checks_for(const Subject& subject);

/// Runs those that `settings` asks for; one whose precondition ran and did not pass is skipped.
/// Throws Error (kUser) when `settings.only` names no check of this plugin.
std::vector<CheckResult> check_plugin(const std::string& file, const Settings& settings,
                                      const Progress& progress = {});

/// The plugin of this file, as far as its note can be read.
Subject subject_of(const std::string& file, const Settings& settings);

/// Whether the plugin conforms: no check failed or crashed.
bool conforms(const std::vector<CheckResult>& results);

}  // namespace trainhost::conformance
