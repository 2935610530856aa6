// What resume, predict and export share: an earlier run, opened again where it was started.
//
// Threads: the parent's only thread.
#pragma once

#include <string>

#include "host/plugins/catalog.h"
#include "host/recipe/plan.h"

namespace trainhost::cli {

/// Reads a whole file; "" where there is none.
std::string read_file(const std::string& path);

/// Plugins may lie elsewhere than when the run was started. Throws Error (kPlugin) where one is not
/// to be found.
void find_plugin_again(recipe::PluginChoice& choice, plugins::Kind kind, plugins::Catalog& catalog);

/// Relative paths of the recipe's options count from where the run was started.
void enter(const std::string& folder);

/// A checkpoint as written on the command line: its folder's name, or a path, which counts from
/// where the user is.
std::string checkpoint_name(const std::string& written);

}  // namespace trainhost::cli
