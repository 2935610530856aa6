#include "host/recipe/table_reader.h"

#include <algorithm>

#include "host/recipe/lua_library.h"
#include "host/recipe/schema.h"
#include "host/recipe/text.h"
#include "host/recipe/value_json.h"

namespace trainhost::recipe {
namespace {

constexpr std::size_t kMostValues = 20'000;
constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr std::size_t kLongestKey = 200;

bool is_positional(const std::string& key) { return key.front() == '['; }

std::size_t positional_index(const std::string& key) {
  return static_cast<std::size_t>(std::stoull(key.substr(1)));
}

/// By line, then positional ones in their order, then by name: Lua's order differs between runs.
bool stands_before(const std::pair<std::string, Value>& a, const std::pair<std::string, Value>& b) {
  if (a.second.position.line != b.second.position.line) {
    return a.second.position.line < b.second.position.line;
  }
  if (is_positional(a.first) != is_positional(b.first)) return is_positional(a.first);
  if (is_positional(a.first)) return positional_index(a.first) < positional_index(b.first);
  return a.first < b.first;
}

}  // namespace

Value TableReader::read(const Place& place) { return read_value(place, ""); }
Value TableReader::read(const Place& place, const std::string& path) {
  return read_value(place, path);
}

void TableReader::fail(const SourcePosition& at, const std::string& path,
                       const std::string& what) const {
  constexpr std::size_t kLongest = 60;
  std::string subject = path.empty() ? "the recipe's table" : path.substr(0, kLongest);
  if (path.size() > kLongest) subject += "…";
  throw Error(Failure::kUser, {.where = at.text(), .what = subject + " " + what});
}

Value TableReader::read_value(const Place& place, const std::string& path) {
  Value out;
  out.position = {file_, place.line};
  if (++values_ > kMostValues) fail(out.position, path, "holds too many values");
  switch (lua_type(lua_, -1)) {
    case LUA_TBOOLEAN:
      out.data = lua_toboolean(lua_, -1) != 0;
      break;
    case LUA_TNUMBER:
      if (lua_isinteger(lua_, -1)) {
        out.data = static_cast<std::int64_t>(lua_tointeger(lua_, -1));
      } else {
        out.data = static_cast<double>(lua_tonumber(lua_, -1));
      }
      break;
    case LUA_TSTRING:
      out.data = read_text(path, out.position);
      break;
    case LUA_TTABLE:
      read_table(place, path, out);
      break;
    case LUA_TFUNCTION:
      read_function(path, out);
      break;
    default:
      fail(out.position, path, "has a value that a recipe cannot hold");
  }
  return out;
}

std::string TableReader::read_text(const std::string& path, const SourcePosition& at) {
  std::size_t size = 0;
  const char* text = lua_tolstring(lua_, -1, &size);
  bytes_ += size;
  if (bytes_ > kMostBytes) fail(at, path, "holds too long texts");
  if (!is_clean_text({text, size})) {
    fail(at, path, "holds a text that is no UTF-8 or has control characters");
  }
  return {text, size};
}

void TableReader::read_function(const std::string& path, Value& out) {
  const std::string rule = scale_rule_name(lua_, -1);
  if (!rule.empty()) {
    out.data = rule;
    return;
  }
  const auto allowed = std::find(function_paths_.begin(), function_paths_.end(), path);
  if (allowed == function_paths_.end() || lua_iscfunction(lua_, -1)) {
    fail(out.position, path, "must not be a function");
  }
  lua_pushvalue(lua_, -1);
  functions_[path] = {luaL_ref(lua_, LUA_REGISTRYINDEX), out.position};
  out.data = std::string("function");
}

void TableReader::enter_table(const std::string& path, const SourcePosition& at) {
  const void* self = lua_topointer(lua_, -1);
  if (std::find(parents_.begin(), parents_.end(), self) != parents_.end()) {
    fail(at, path, "contains itself");
  }
  // One level is left for the document that a plan becomes.
  if (parents_.size() + 1 >= static_cast<std::size_t>(kMaxDepth)) {
    fail(at, path, "is nested too deeply");
  }
  luaL_checkstack(lua_, 8, nullptr);
  parents_.push_back(self);
}

std::string TableReader::read_key(const std::string& path, const SourcePosition& at) {
  // The key is at −2; lua_tolstring would change a number in place and confuse lua_next.
  if (lua_isinteger(lua_, -2)) {
    const lua_Integer index = lua_tointeger(lua_, -2);
    if (index < 1)
      fail(at, path, "has the position " + std::to_string(index) + "; lists start at 1");
    return positional_key(static_cast<std::size_t>(index));
  }
  if (lua_type(lua_, -2) != LUA_TSTRING) {
    fail(at, path, "has a key that is neither a name nor a position");
  }
  std::size_t size = 0;
  const char* text = lua_tolstring(lua_, -2, &size);
  const std::string key(text, size);
  bytes_ += size;
  if (key.empty() || size > kLongestKey || is_positional(key) || !is_clean_text(key)) {
    fail(at, path, "has an unusable key " + cleaned(quote(key)));
  }
  return key;
}

void TableReader::read_table(const Place& place, const std::string& path, Value& out) {
  enter_table(path, out.position);
  Table table;
  std::size_t count = 0, highest = 0;
  lua_pushnil(lua_);
  while (lua_next(lua_, -2) != 0) {
    const std::string key = read_key(path, out.position);
    const bool positional = is_positional(key);
    if (positional) {
      ++count;
      highest = std::max(highest, positional_index(key));
    }
    const bool bare = positional || path.empty();
    table.emplace_back(key,
                       read_value(Places::entry(place, key), bare ? path + key : path + "." + key));
    lua_pop(lua_, 1);
  }
  parents_.pop_back();
  if (count != highest) {
    fail(out.position, path,
         "has a hole: item " + std::to_string(highest) + " of a list of " + std::to_string(count) +
             " items");
  }
  std::sort(table.begin(), table.end(), stands_before);
  if (count == 0 || count != table.size()) {
    out.data = std::move(table);
    return;
  }
  List list(count);
  for (auto& [key, value] : table) list[positional_index(key) - 1] = std::move(value);
  out.data = std::move(list);
}

}  // namespace trainhost::recipe
