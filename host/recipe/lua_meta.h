// The `---@meta` file that gives an editor with a Lua language server the keys of a recipe:
// completion, types and help, from the same schemas that check it.
#pragma once

#include <string>
#include <vector>

#include "host/plugins/plugin_info.h"

namespace trainhost::recipe {

/// The text of the file: the host's keys, then a class per plugin. Throws Error (kPlugin) for a
/// plugin whose schema is wrong.
std::string lua_meta(const std::vector<plugins::PluginInfo>& plugins);

}  // namespace trainhost::recipe
