// The library a recipe sees: the sandbox's globals and the module trainhost.scale.
#pragma once

#include <lua.hpp>
#include <string>

namespace trainhost::recipe {

/// Pushes the table of the recipe's globals. Reading an unknown global raises an error that names
/// the nearest one. May raise Lua errors: call it in protected mode.
void push_recipe_globals(lua_State* lua);

/// Gives the table on top a reader of unknown names that raises: "unknown GROUP 'nmae'; did you
/// mean 'name'?". `group` must outlive the state.
void refuse_unknown(lua_State* lua, const char* group);

/// The name of the rule of trainhost.scale at `index` ("linear"), "" for any other value.
std::string scale_rule_name(lua_State* lua, int index);

}  // namespace trainhost::recipe
