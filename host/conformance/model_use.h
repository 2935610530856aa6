// A model as users meet it: options by their defaults, data that is not there, predict and export.
//
// Threads and ranks: as checks.
#pragma once

#include <string>
#include <vector>

#include "host/conformance/check.h"
#include "host/plugins/plugin_info.h"

namespace trainhost::conformance {

/// "model.NAME=VALUE" and "data.NAME=VALUE" for every option of the note that has a plain default.
std::vector<std::string> defaults_as_words(const plugins::PluginInfo& model);

/// Data that is missing, `export` and `predict`.
std::vector<Check> use_checks(const Subject& subject);

}  // namespace trainhost::conformance
