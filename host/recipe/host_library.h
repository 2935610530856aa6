// Makes the functions of a HostLibrary callable from Lua.
//
// Owner: the sandbox, for one run of a script. Threads and ranks: the parent only.
#pragma once

#include <functional>
#include <lua.hpp>
#include <string>

#include "host/recipe/sandbox.h"

namespace trainhost::recipe {

class HostCalls {
 public:
  /// `pause` is told the seconds that a call has taken. Borrows the library.
  HostCalls(const HostLibrary& library, std::string file, std::function<void(double seconds)> pause)
      : library_(library), file_(std::move(file)), pause_(std::move(pause)) {}

  /// Adds the library to the table of globals on top of the stack. This object must live as long
  /// as the script runs.  [protected mode]
  void add_to(lua_State* lua) const;

 private:
  static int enter(lua_State* lua);
  int call(lua_State* lua, const HostFunction& function) const;

  const HostLibrary& library_;
  const std::string file_;
  const std::function<void(double)> pause_;
};

}  // namespace trainhost::recipe
