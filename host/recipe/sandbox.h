// Runs a recipe, a Lua chunk that returns a table, or a script, a chunk that calls functions of the
// host, in a small and reproducible world.
//
// There is math (without random), ipairs, pairs (in a fixed order), tostring, tonumber, assert,
// error, format, and require "trainhost.scale"; no files, no clock, no other code. Memory,
// instructions and time are bounded. This serves reproducibility and good manners; it is no
// security boundary, since a recipe names native code to load.
//
// Owner: Recipe, which keeps it alive because scaling rules may be Lua functions; or the command
// that runs a script. Threads and
// ranks: the parent only, one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trainhost/options.h"

namespace trainhost::recipe {

/// What one evaluation may use.
struct SandboxLimits {
  std::size_t memory = std::size_t{64} << 20;
  std::int64_t instructions = 10'000'000;
  double seconds = 1.0;
};

/// What a scaling rule that is a Lua function is told: its second argument, a table of these names.
struct RuleArguments {
  std::int64_t ranks = 1, nodes = 1, cpus = 1;
  std::string device{};
  double base_batch = 1;
  std::int64_t effective_batch = 0;  ///< 0: not known yet, and absent from the table
};

/// A function of the host, for scripts.
struct HostFunction {
  std::string name;
  /// Arguments in order (without those that are nil at the end) → what it returns; nil: nothing.
  /// An Error without a place gets the line of the call.
  std::function<Value(const std::vector<Value>&)> call;
  /// Not empty: the result is also kept in LIBRARY.kept_in, under the `name` of the table that is
  /// the first argument.
  std::string kept_in{};
};

/// The table `name` of a script, which holds the functions.
struct HostLibrary {
  std::string name;
  std::vector<HostFunction> functions;
};

class Sandbox {
 public:
  explicit Sandbox(const SandboxLimits& limits = {});
  ~Sandbox();
  Sandbox(Sandbox&&) noexcept;
  Sandbox& operator=(Sandbox&&) noexcept;

  /// Runs `source` and returns its table, with `file` and the lines of the source as positions. A
  /// table that has named keys holds positional values under "[1]", "[2]", …; one without is a
  /// List; an empty one is an empty Table. A rule of trainhost.scale becomes its name ("linear");
  /// another function is allowed at the dotted paths of `function_paths`, becomes "function", and
  /// can be called by its path. Throws Error (kUser) with a position for everything else.
  Value run(const std::string& source, const std::string& file,
            const std::vector<std::string>& function_paths);

  /// Runs a script, which returns nothing and calls `library`. The time that its functions take is
  /// not the script's. Throws Error: what a function threw, or kUser with a position.
  void run_script(const std::string& source, const std::string& file, const HostLibrary& library);

  /// True where the last run left a Lua function at `path`.
  bool has_function(const std::string& path) const;

  /// Calls the function found at `path` (has_function). Throws Error (kUser) at the function's
  /// place when it fails, does not end, or gives no number.
  double call(const std::string& path, double base, const RuleArguments& to);

 private:
  class State;
  std::unique_ptr<State> state_;
};

/// Reads a recipe's source. Throws Error (kUser) when `file` is missing, no regular file,
/// unreadable, larger than 1 MiB, or compiled Lua.
std::string read_recipe(const std::string& file);

}  // namespace trainhost::recipe
