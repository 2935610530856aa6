// A check of `trainhost check-plugin`, and what it is given.
//
// Owner: values; the suite runs them. Threads and ranks: each check runs in a child process of the
// command-line program, in its one thread; ranks that it starts end with it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/plugins/check_result.h"
#include "host/plugins/note.h"

namespace trainhost::conformance {

using plugins::CheckCrashed;
using plugins::CheckSkipped;
using plugins::Outcome;

struct Settings {
  std::vector<std::string> only;  ///< checks, or the group before the dot of their names; {}: all
  bool quick = false;             ///< the checks that take a second or two in all
  std::int64_t seed = 1;
  std::vector<int> worlds = {1, 2, 3, 4};
  std::string device = "cpu";          ///< kind or file: what strategies and models are tried on
  std::vector<std::string> overrides;  ///< "data.dir=…": recipe overrides for every run of a check
  std::string rank_program;            ///< trainhost-rank, for the checks that load the plugin
  std::string library_path;            ///< LD_LIBRARY_PATH for it
  std::string why_no_rank;             ///< where rank_program is "": why those checks are skipped
  std::string libtorch;                ///< LibTorch's folder, told to a probe
  double timeout_seconds = 120;        ///< for each check
};

/// The plugin that is checked.
struct Subject {
  std::string file;                   ///< absolute
  std::optional<plugins::Note> note;  ///< as far as it could be read
  const Settings& settings;

  const plugins::PluginInfo& info() const { return note->info; }
};

/// Returns what is worth knowing. Throws Error that says why the plugin does not conform,
/// CheckSkipped, or CheckCrashed.
using CheckFunction = std::function<std::string(const Subject&)>;

struct Check {
  std::string name;   ///< "checkpoint.resume": the group, and what of it
  std::string about;  ///< what is checked, in a few words
  CheckFunction run;
  std::vector<std::string> needs{};  ///< checks without which this one would say nothing new
  bool quick = false;
};

}  // namespace trainhost::conformance
