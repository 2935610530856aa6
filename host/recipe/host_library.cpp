#include "host/recipe/host_library.h"

#include <chrono>

#include "host/recipe/lua_library.h"
#include "host/recipe/schema.h"
#include "host/recipe/table_reader.h"

namespace trainhost::recipe {
namespace {

void push(lua_State* lua, const Value& value);

struct Pusher {
  lua_State* lua;
  void operator()(std::monostate) const { lua_pushnil(lua); }
  void operator()(bool on) const { lua_pushboolean(lua, on ? 1 : 0); }
  void operator()(std::int64_t number) const { lua_pushinteger(lua, number); }
  void operator()(double number) const { lua_pushnumber(lua, number); }
  void operator()(const std::string& text) const { lua_pushlstring(lua, text.data(), text.size()); }
  void operator()(const List& list) const {
    lua_createtable(lua, static_cast<int>(list.size()), 0);
    for (std::size_t i = 0; i < list.size(); ++i) {
      push(lua, list[i]);
      lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
    }
  }
  void operator()(const Table& table) const {
    lua_createtable(lua, 0, static_cast<int>(table.size()));
    for (const auto& [key, value] : table) {
      push(lua, value);
      lua_setfield(lua, -2, key.c_str());
    }
  }
};

void push(lua_State* lua, const Value& value) {
  luaL_checkstack(lua, 8, nullptr);
  std::visit(Pusher{lua}, value.data);
}

/// The line of the script that is being run.
int line_of(lua_State* lua) {
  lua_Debug record{};
  for (int level = 1; lua_getstack(lua, level, &record) != 0; ++level) {
    if (lua_getinfo(lua, "l", &record) != 0 && record.currentline > 0) return record.currentline;
  }
  return 0;
}

std::vector<Value> read_arguments(lua_State* lua, const HostFunction& function,
                                  const SourcePosition& at) {
  std::vector<Value> out;
  std::map<std::string, TableReader::Function> none;
  for (int i = 1, count = lua_gettop(lua); i <= count; ++i) {
    if (lua_isnil(lua, i)) {
      out.emplace_back(Value::Data{}, at);
      continue;
    }
    lua_pushvalue(lua, i);
    const std::string path = function.name + "'s argument " + std::to_string(i);
    out.push_back(TableReader(lua, at.file, {}, none).read({at.line, nullptr}, path));
    lua_pop(lua, 1);
  }
  while (!out.empty() && out.back().is_nil()) out.pop_back();
  return out;
}

std::string name_of(const std::vector<Value>& arguments) {
  const Value* name = arguments.empty() ? nullptr : arguments.front().find("name");
  const auto* text = name == nullptr ? nullptr : std::get_if<std::string>(&name->data);
  return text == nullptr ? std::string() : *text;
}

/// Where the error names no place, the line of the call is it.
[[noreturn]] void throw_at(const Error& error, const SourcePosition& at) {
  Error::Text text = error.text();
  if (text.where.empty()) text.where = at.text();
  throw Error(error.failure(), text);
}

}  // namespace

void HostCalls::add_to(lua_State* lua) const {
  lua_newtable(lua);
  for (const HostFunction& function : library_.functions) {
    lua_pushlightuserdata(lua, const_cast<HostCalls*>(this));
    lua_pushlightuserdata(lua, const_cast<HostFunction*>(&function));
    if (!function.kept_in.empty()) {
      lua_newtable(lua);
      refuse_unknown(lua, "option");
      lua_pushvalue(lua, -1);
      lua_setfield(lua, -5, function.kept_in.c_str());
    }
    lua_pushcclosure(lua, &HostCalls::enter, function.kept_in.empty() ? 2 : 3);
    lua_setfield(lua, -2, function.name.c_str());
  }
  refuse_unknown(lua, "function of the library");
  lua_setfield(lua, -2, library_.name.c_str());
}

int HostCalls::enter(lua_State* lua) {
  const auto* self = static_cast<HostCalls*>(lua_touserdata(lua, lua_upvalueindex(1)));
  const auto* function = static_cast<HostFunction*>(lua_touserdata(lua, lua_upvalueindex(2)));
  return self->call(lua, *function);
}

int HostCalls::call(lua_State* lua, const HostFunction& function) const {
  const SourcePosition at{file_, line_of(lua)};
  const std::vector<Value> arguments = read_arguments(lua, function, at);
  const auto begun = std::chrono::steady_clock::now();
  Value result;
  try {
    result = function.call(arguments);
  } catch (const Error& error) {
    throw_at(error, at);
  }
  pause_(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  push(lua, result);
  if (!function.kept_in.empty()) {
    lua_pushstring(lua, name_of(arguments).c_str());
    lua_pushvalue(lua, -2);
    lua_rawset(lua, lua_upvalueindex(3));
  }
  return 1;
}

}  // namespace trainhost::recipe
