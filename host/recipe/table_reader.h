// Turns the Lua table of a recipe into a Value with positions.
//
// Owner: the sandbox, for one evaluation. Threads and ranks: the parent only.
#pragma once

#include <lua.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "host/recipe/positions.h"
#include "trainhost/options.h"

namespace trainhost::recipe {

class TableReader {
 public:
  /// A Lua function kept in the registry.
  struct Function {
    int reference = 0;
    SourcePosition at;
  };

  /// `functions` receives the functions found at the dotted paths that allow one.
  TableReader(lua_State* lua, std::string file, const std::vector<std::string>& function_paths,
              std::map<std::string, Function>& functions)
      : lua_(lua), file_(std::move(file)), function_paths_(function_paths), functions_(functions) {}

  /// The table on top of the stack. Throws Error (kUser) for cycles, too deep or too large tables,
  /// holes in lists, and what is neither table, number, text nor boolean. [protected mode]
  Value read(const Place& place);
  /// Any value on top of the stack; `path` names it in messages.
  Value read(const Place& place, const std::string& path);

 private:
  Value read_value(const Place& place, const std::string& path);
  void read_table(const Place& place, const std::string& path, Value& out);
  void read_function(const std::string& path, Value& out);
  std::string read_text(const std::string& path, const SourcePosition& at);
  std::string read_key(const std::string& path, const SourcePosition& at);
  void enter_table(const std::string& path, const SourcePosition& at);
  [[noreturn]] void fail(const SourcePosition& at, const std::string& path,
                         const std::string& what) const;

  lua_State* lua_;
  std::string file_;
  const std::vector<std::string>& function_paths_;
  std::map<std::string, Function>& functions_;
  std::vector<const void*> parents_;
  std::size_t values_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace trainhost::recipe
