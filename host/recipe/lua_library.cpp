#include "host/recipe/lua_library.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "host/recipe/text.h"

namespace trainhost::recipe {
namespace {

constexpr std::size_t kMostPairs = 100'000;
constexpr const char* kGlobals = "name";

/// What reads of an unknown name in `group` raise; the known names are the keys of upvalue 1.
int unknown_name(lua_State* lua) {
  const char* group = lua_tostring(lua, lua_upvalueindex(2));
  std::string name = "?";
  if (lua_type(lua, 2) == LUA_TSTRING) name = cleaned(lua_tostring(lua, 2));
  std::vector<std::string> known;
  lua_pushnil(lua);
  while (lua_next(lua, lua_upvalueindex(1)) != 0) {
    lua_pop(lua, 1);
    if (lua_type(lua, -1) == LUA_TSTRING) known.emplace_back(lua_tostring(lua, -1));
  }
  std::sort(known.begin(), known.end());
  const std::string near = nearest(name, known);
  const std::string hint = !near.empty()                         ? "; did you mean '" + near + "'?"
                           : group == std::string_view(kGlobals) ? "; a text needs quotes"
                                                                 : "";
  const std::string text = std::string("unknown ") + group + " " + quote(name) + hint;
  return luaL_error(lua, "%s", text.c_str());
}

/// tonumber (upvalue 1), which would walk through megabytes of blanks.
int to_number(lua_State* lua) {
  constexpr std::size_t kLongest = 200;
  if (lua_type(lua, 1) == LUA_TSTRING && lua_rawlen(lua, 1) > kLongest) {
    lua_pushnil(lua);
    return 1;
  }
  const int arguments = lua_gettop(lua);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, arguments, 1);
  return 1;
}

/// tostring without addresses, which differ between runs.
int to_text(lua_State* lua) {
  luaL_checkany(lua, 1);
  const int type = lua_type(lua, 1);
  if (type == LUA_TTABLE || type == LUA_TFUNCTION) {
    lua_pushstring(lua, lua_typename(lua, type));
  } else {
    luaL_tolstring(lua, 1, nullptr);
  }
  return 1;
}

/// string.format (upvalue 1) for numbers, texts and booleans.
int format(lua_State* lua) {
  const char* pattern = luaL_checkstring(lua, 1);
  for (const char* c = pattern; *c != '\0'; ++c) {
    if (*c != '%') continue;
    ++c;
    while (*c != '\0' && !std::isalpha(static_cast<unsigned char>(*c)) && *c != '%') ++c;
    if (*c == 'p') return luaL_error(lua, "format has no %%p");
    if (*c == '\0') break;
  }
  const int arguments = lua_gettop(lua);
  for (int i = 2; i <= arguments; ++i) {
    const int type = lua_type(lua, i);
    const bool plain = type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN;
    if (!plain) return luaL_argerror(lua, i, "a number, text or boolean is expected");
  }
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, arguments, 1);
  return 1;
}

/// A key as it is sorted: numbers first, then texts.
struct SortedKey {
  bool is_text = false, is_whole = false;
  lua_Number number = 0;
  lua_Integer whole = 0;
  std::string text{};

  bool operator<(const SortedKey& other) const {
    if (is_text != other.is_text) return other.is_text;
    if (is_text) return text < other.text;
    return is_whole && other.is_whole ? whole < other.whole : number < other.number;
  }
};

SortedKey key_at(lua_State* lua, int index) {
  const int type = lua_type(lua, index);
  if (type == LUA_TNUMBER) {
    const bool whole = lua_isinteger(lua, index) != 0;
    return {.is_whole = whole,
            .number = lua_tonumber(lua, index),
            .whole = whole ? lua_tointeger(lua, index) : 0};
  }
  if (type != LUA_TSTRING) {
    luaL_error(lua, "pairs: keys must be numbers or texts, not %s", lua_typename(lua, type));
  }
  std::size_t size = 0;
  const char* text = lua_tolstring(lua, index, &size);
  return {.is_text = true, .text = std::string(text, size)};
}

/// The iterator of pairs: upvalues are the list of keys and the next index.
int next_pair(lua_State* lua) {
  const lua_Integer index = lua_tointeger(lua, lua_upvalueindex(2)) + 1;
  lua_pushinteger(lua, index);
  lua_replace(lua, lua_upvalueindex(2));
  if (lua_rawgeti(lua, lua_upvalueindex(1), index) == LUA_TNIL) return 1;
  lua_pushvalue(lua, -1);
  lua_rawget(lua, 1);
  return 2;
}

/// pairs in a fixed order: Lua's own depends on a random seed.
int sorted_pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  std::vector<SortedKey> keys;
  lua_pushnil(lua);
  while (lua_next(lua, 1) != 0) {
    lua_pop(lua, 1);
    if (keys.size() >= kMostPairs) return luaL_error(lua, "pairs: the table is too large");
    keys.push_back(key_at(lua, -1));
  }
  std::sort(keys.begin(), keys.end());
  lua_createtable(lua, static_cast<int>(keys.size()), 0);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].is_text) {
      lua_pushlstring(lua, keys[i].text.data(), keys[i].text.size());
    } else if (keys[i].is_whole) {
      lua_pushinteger(lua, keys[i].whole);
    } else {
      lua_pushnumber(lua, keys[i].number);
    }
    lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
  }
  lua_pushinteger(lua, 0);
  lua_pushcclosure(lua, next_pair, 2);
  lua_pushvalue(lua, 1);
  return 2;
}

/// What a rule is told of the world (argument 2).
lua_Number world_number(lua_State* lua, const char* key) {
  luaL_checktype(lua, 2, LUA_TTABLE);
  lua_pushstring(lua, key);
  lua_rawget(lua, 2);
  const lua_Number number = luaL_checknumber(lua, -1);
  lua_pop(lua, 1);
  return number;
}

int rule_keep(lua_State* lua) {
  lua_pushnumber(lua, luaL_checknumber(lua, 1));
  return 1;
}
int rule_per_rank(lua_State* lua) { return rule_keep(lua); }
int rule_none(lua_State* lua) { return rule_keep(lua); }

int rule_global(lua_State* lua) {
  lua_pushnumber(lua, luaL_checknumber(lua, 1) / world_number(lua, "ranks"));
  return 1;
}

int rule_linear(lua_State* lua) {
  const lua_Number factor = world_number(lua, "effective_batch") / world_number(lua, "base_batch");
  lua_pushnumber(lua, luaL_checknumber(lua, 1) * factor);
  return 1;
}

int rule_sqrt(lua_State* lua) {
  const lua_Number factor = world_number(lua, "effective_batch") / world_number(lua, "base_batch");
  lua_pushnumber(lua, luaL_checknumber(lua, 1) * std::sqrt(factor));
  return 1;
}

struct Rule {
  const char* name;
  lua_CFunction function;
};

// Distinct functions, so that a rule is recognised by its address.
constexpr std::array<Rule, 5> kRules{{{"per_rank", rule_per_rank},
                                      {"global", rule_global},
                                      {"linear", rule_linear},
                                      {"sqrt", rule_sqrt},
                                      {"none", rule_none}}};

/// The only module there is.
int require(lua_State* lua) {
  const std::string name = luaL_checkstring(lua, 1);
  if (name != "trainhost.scale") {
    return luaL_error(lua, "a recipe can only require \"trainhost.scale\", not %s",
                      cleaned(quote(name)).c_str());
  }
  lua_newtable(lua);
  for (const Rule& rule : kRules) {
    lua_pushcfunction(lua, rule.function);
    lua_setfield(lua, -2, rule.name);
  }
  refuse_unknown(lua, "scaling rule");
  return 1;
}

/// Moves field `name` of the table at `from` to the table at `to`, both absolute.
void copy_field(lua_State* lua, int from, int to, const char* name) {
  lua_getfield(lua, from, name);
  lua_setfield(lua, to, name);
}

void add_base(lua_State* lua, int globals) {
  luaL_requiref(lua, LUA_GNAME, luaopen_base, 0);
  const int base = lua_gettop(lua);
  for (const char* name : {"ipairs", "assert", "error"}) {
    copy_field(lua, base, globals, name);
  }
  lua_getfield(lua, base, "tonumber");
  lua_pushcclosure(lua, to_number, 1);
  lua_setfield(lua, globals, "tonumber");
  lua_pop(lua, 1);
}

void add_math(lua_State* lua, int globals) {
  luaL_requiref(lua, LUA_MATHLIBNAME, luaopen_math, 0);
  for (const char* name : {"random", "randomseed"}) {
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
  }
  refuse_unknown(lua, "function of math");
  lua_setfield(lua, globals, LUA_MATHLIBNAME);
}

/// string.format without the string library: its metatable would make ("x"):rep work.
void add_format(lua_State* lua, int globals) {
  luaL_requiref(lua, LUA_STRLIBNAME, luaopen_string, 0);
  lua_getfield(lua, -1, "format");
  lua_pushcclosure(lua, format, 1);
  lua_setfield(lua, globals, "format");
  lua_pop(lua, 1);
  lua_pushliteral(lua, "");
  lua_pushnil(lua);
  lua_setmetatable(lua, -2);
  lua_pop(lua, 1);
}

}  // namespace

void refuse_unknown(lua_State* lua, const char* group) {
  const int table = lua_gettop(lua);
  lua_newtable(lua);
  lua_pushvalue(lua, table);
  lua_pushstring(lua, group);
  lua_pushcclosure(lua, unknown_name, 2);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, table);
}

void push_recipe_globals(lua_State* lua) {
  lua_newtable(lua);
  const int globals = lua_gettop(lua);
  add_base(lua, globals);
  add_math(lua, globals);
  add_format(lua, globals);
  const std::array<Rule, 3> own{
      {{"pairs", sorted_pairs}, {"tostring", to_text}, {"require", require}}};
  for (const Rule& entry : own) {
    lua_pushcfunction(lua, entry.function);
    lua_setfield(lua, globals, entry.name);
  }
  refuse_unknown(lua, kGlobals);
}

std::string scale_rule_name(lua_State* lua, int index) {
  const lua_CFunction function = lua_tocfunction(lua, index);
  for (const Rule& rule : kRules) {
    if (rule.function == function) return rule.name;
  }
  return "";
}

}  // namespace trainhost::recipe
