#include "host/recipe/sandbox.h"

#include <chrono>
#include <cstdlib>
#include <lua.hpp>
#include <map>
#include <optional>

#include "host/recipe/host_library.h"
#include "host/recipe/lua_library.h"
#include "host/recipe/positions.h"
#include "host/recipe/table_reader.h"
#include "host/recipe/text.h"

namespace trainhost::recipe {
namespace {

// A message starts with the chunk's name; Lua would shorten a long path.
constexpr const char* kChunk = "=recipe";
constexpr std::string_view kChunkPrefix = "recipe:";
constexpr int kHookEvery = 10;  // instructions; a single one may copy megabytes
constexpr std::size_t kLargeBlock = 4096;

using Clock = std::chrono::steady_clock;

/// What the evaluation in progress has used. Lua's allocator and hook share it.
struct Budget {
  SandboxLimits limits;
  std::size_t memory = 0;
  std::int64_t instructions = 0;
  Clock::time_point end{};
  const char* spent = nullptr;  // which bound was passed, in words
  int line = 0;                 // where the recipe was lately

  void restart() {
    instructions = 0;
    spent = nullptr;
    line = 0;
    end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                             std::chrono::duration<double>(limits.seconds));
  }
  /// `seconds` were spent elsewhere.
  void pause(double seconds) {
    end += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  bool late() {
    if (Clock::now() > end) spent = "it takes too long";
    return spent != nullptr;
  }
};

void* allocate(void* user, void* block, std::size_t old_size, std::size_t size) {
  auto* budget = static_cast<Budget*>(user);
  const std::size_t held = block != nullptr ? old_size : 0;
  if (size == 0) {
    std::free(block);
    budget->memory -= held;
    return nullptr;
  }
  if (size > held) {
    if (budget->memory - held + size > budget->limits.memory) {
      budget->spent = "it needs too much memory";
      return nullptr;
    }
    // A loop over few instructions that build long texts is stopped here.
    if (size >= kLargeBlock && budget->late()) return nullptr;
  }
  void* moved = std::realloc(block, size);
  if (moved != nullptr) budget->memory += size - held;
  return moved;
}

void count_instructions(lua_State* lua, lua_Debug* record) {
  auto* budget = *static_cast<Budget**>(lua_getextraspace(lua));
  if (lua_getinfo(lua, "l", record) != 0) budget->line = record->currentline;
  budget->instructions += kHookEvery;
  if (budget->instructions > budget->limits.instructions) {
    budget->spent = "it does not end (too many instructions)";
  }
  if (budget->late()) luaL_error(lua, "%s", budget->spent);
}

struct LuaCloser {
  void operator()(lua_State* lua) const { lua_close(lua); }
};

}  // namespace

/// Purpose: the live Lua state, its budget, and the functions a recipe left in it.
class Sandbox::State {
 public:
  explicit State(const SandboxLimits& limits) : budget_{.limits = limits} {
    budget_.restart();
    lua_.reset(lua_newstate(allocate, &budget_));
    if (!lua_) throw Error(Failure::kUser, {.what = "no memory for the recipe's interpreter"});
    *static_cast<Budget**>(lua_getextraspace(lua_.get())) = &budget_;
    lua_sethook(lua_.get(), count_instructions, LUA_MASKCOUNT, kHookEvery);
  }

  Value run(const std::string& source, const std::string& file,
            const std::vector<std::string>& function_paths) {
    file_ = file;
    Value out;
    protect(0, [&](lua_State* lua) {
      load(lua, source);
      lua_call(lua, 0, 1);
      const Places places = Places::of(source);
      if (!lua_istable(lua, -1)) {
        const char* type = lua_typename(lua, lua_type(lua, -1));
        throw Error(Failure::kUser,
                    {.where = SourcePosition{file, places.root().line}.text(),
                     .what = std::string("the recipe must return a table, not ") + type,
                     .fix = "end it with: return { name = …, model = …, … }"});
      }
      out = TableReader(lua, file, function_paths, functions_).read(places.root());
    });
    return out;
  }

  void run_script(const std::string& source, const std::string& file, const HostLibrary& library) {
    file_ = file;
    subject_ = "script";
    const auto pause = [this](double seconds) { budget_.pause(seconds); };
    const HostCalls calls(library, file, pause);
    protect(0, [&](lua_State* lua) {
      load(lua, source);
      lua_getupvalue(lua, -1, 1);
      calls.add_to(lua);
      lua_pop(lua, 1);
      lua_call(lua, 0, 0);
    });
  }

  bool has_function(const std::string& path) const { return functions_.count(path) > 0; }

  double call(const std::string& path, double base, const RuleArguments& to) {
    const TableReader::Function& function = functions_.at(path);
    double result = 0;
    protect(function.at.line, [&](lua_State* lua) {
      lua_rawgeti(lua, LUA_REGISTRYINDEX, function.reference);
      lua_pushnumber(lua, base);
      push_arguments(lua, to);
      lua_call(lua, 2, 1);
      if (lua_type(lua, -1) != LUA_TNUMBER) {
        throw Error(Failure::kUser, {.where = function.at.text(),
                                     .what = path + " must return a number, not " +
                                             lua_typename(lua, lua_type(lua, -1))});
      }
      result = lua_tonumber(lua, -1);
    });
    return result;
  }

 private:
  /// Runs `body` in Lua's protected mode with a fresh budget; its Lua errors become an Error at the
  /// line they name, or else at `line`.
  template <class Body>
  void protect(int line, Body&& body) {
    struct Call {
      Body& body;
      std::optional<Error> error;
    } call{body, std::nullopt};
    const auto enter = [](lua_State* lua) -> int {
      auto* call = static_cast<Call*>(lua_touserdata(lua, 1));
      try {
        luaL_checkstack(lua, 64, nullptr);
        call->body(lua);
        return 0;
      } catch (const Error& error) {
        call->error = error;
      }
      return luaL_error(lua, "stopped");
    };
    budget_.restart();
    lua_State* lua = lua_.get();
    lua_settop(lua, 0);
    lua_pushcfunction(lua, enter);
    lua_pushlightuserdata(lua, &call);
    const int status = lua_pcall(lua, 1, 0, 0);
    if (status == LUA_OK) return;
    if (call.error) throw *call.error;
    throw_lua_error(lua, status, line);
  }

  void load(lua_State* lua, const std::string& source) {
    const int status = luaL_loadbufferx(lua, source.data(), source.size(), kChunk, "t");
    if (status != LUA_OK) lua_error(lua);
    push_recipe_globals(lua);
    lua_setupvalue(lua, -2, 1);
  }

  static void push_arguments(lua_State* lua, const RuleArguments& to) {
    lua_createtable(lua, 0, 6);
    const auto set_whole = [&](const char* key, std::int64_t number) {
      lua_pushinteger(lua, number);
      lua_setfield(lua, -2, key);
    };
    set_whole("ranks", to.ranks);
    set_whole("nodes", to.nodes);
    set_whole("cpus", to.cpus);
    if (to.effective_batch > 0) set_whole("effective_batch", to.effective_batch);
    lua_pushnumber(lua, to.base_batch);
    lua_setfield(lua, -2, "base_batch");
    lua_pushlstring(lua, to.device.data(), to.device.size());
    lua_setfield(lua, -2, "device");
  }

  [[noreturn]] void throw_lua_error(lua_State* lua, int status, int line) const {
    std::string text = "the " + subject_ + " raised an error that is no text";
    if (lua_type(lua, -1) == LUA_TSTRING) text = lua_tostring(lua, -1);
    if (text.starts_with(kChunkPrefix)) {
      const std::size_t colon = text.find(": ", kChunkPrefix.size());
      const int named = std::atoi(text.c_str() + kChunkPrefix.size());
      if (colon != std::string::npos && named > 0) {
        line = named;
        text.erase(0, colon + 2);
      }
    }
    if (budget_.spent != nullptr) {
      if (budget_.line > 0) line = budget_.line;
      text = "the " + subject_ + " was stopped: " + budget_.spent;
    } else if (status == LUA_ERRMEM) {
      text = "the " + subject_ + " was stopped: no memory";
    }
    constexpr std::size_t kLongest = 500;
    if (text.size() > kLongest) text = text.substr(0, kLongest) + " …";
    throw Error(Failure::kUser,
                {.where = SourcePosition{file_, line}.text(), .what = cleaned(text)});
  }

  Budget budget_;
  std::string file_, subject_ = "recipe";
  std::map<std::string, TableReader::Function> functions_;
  std::unique_ptr<lua_State, LuaCloser> lua_;  // last: freed while the budget still lives
};

Sandbox::Sandbox(const SandboxLimits& limits) : state_(std::make_unique<State>(limits)) {}
Sandbox::~Sandbox() = default;
Sandbox::Sandbox(Sandbox&&) noexcept = default;
Sandbox& Sandbox::operator=(Sandbox&&) noexcept = default;

Value Sandbox::run(const std::string& source, const std::string& file,
                   const std::vector<std::string>& function_paths) {
  return state_->run(source, file, function_paths);
}

void Sandbox::run_script(const std::string& source, const std::string& file,
                         const HostLibrary& library) {
  state_->run_script(source, file, library);
}

bool Sandbox::has_function(const std::string& path) const { return state_->has_function(path); }

double Sandbox::call(const std::string& path, double base, const RuleArguments& to) {
  return state_->call(path, base, to);
}

}  // namespace trainhost::recipe
