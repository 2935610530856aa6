// What the recipe tests share: plugins that exist on paper only, and a recipe that is right.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "host/recipe/recipe.h"

namespace trainhost::recipe::test {

/// Models "kgat" (two objectives) and "toy" (one, no options), strategies "ddp", "single", "zero3",
/// device "cpu"; the file ./refused.so is refused, ./model.so is kgat.
PluginLookup paper_plugins();

/// The plugins themselves, for lua_meta.
const std::vector<plugins::PluginInfo>& paper_plugin_list();

/// A right recipe; each line of `extra` goes into its table.
std::string recipe_text(const std::string& extra = "");

/// Loads a source as "r.lua".
Recipe load(const std::string& source, const std::vector<std::string>& overrides = {});

/// The message and kind of the Error that loading gives; fails the test when it gives none.
struct Refusal {
  std::string message;
  Failure failure;
};
Refusal refusal(const std::string& source, const std::vector<std::string>& overrides = {});

}  // namespace trainhost::recipe::test
