// Recipe: a Lua file, checked, from which a RunPlan is made for any world.
//
// Purpose: everything that can be known to be wrong before a device is opened is reported here, all
// of it at once, with file and line. Owner: the caller; it keeps the Lua state alive, since scaling
// rules may be Lua functions. Threads and ranks: the parent only, one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/plugins/plugin_info.h"
#include "host/recipe/plan.h"
#include "host/recipe/scaling.h"

namespace trainhost::recipe {

/// What the recipe needs to know of plugins.
struct PluginLookup {
  /// By id, or by path (see is_plugin_path); nullptr: there is none. May throw Error for a plugin
  /// that was found and refused. The result lives as long as the lookup's owner says.
  std::function<const plugins::PluginInfo*(plugins::Kind, const std::string&)> find;
  /// The ids there are, for messages.
  std::function<std::vector<std::string>(plugins::Kind)> known;
};

/// A name with a '/' or ending in ".so" is a file rather than an id.
bool is_plugin_path(std::string_view name);

class Recipe {
 public:
  /// Reads, runs, overrides, checks. Throws Error: kUser for a wrong recipe or override, kPlugin
  /// where only plugins were wrong (unknown or refused).
  static Recipe load(const std::string& file, const std::vector<std::string>& overrides,
                     const PluginLookup& plugins);

  /// The same from a text; `file` names it in messages.
  static Recipe from_source(const std::string& source, const std::string& file,
                            const std::vector<std::string>& overrides, const PluginLookup& plugins);

  ~Recipe();
  Recipe(Recipe&&) noexcept;
  Recipe& operator=(Recipe&&) noexcept;

  /// What does not depend on the world: ranks is 1, objectives is empty.
  const RunPlan& base() const;

  /// The plan for a world. Throws Error (kUser) where its scaling rules do not work out there.
  RunPlan resolve(const World& world) const;

 private:
  struct State;
  explicit Recipe(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trainhost::recipe
