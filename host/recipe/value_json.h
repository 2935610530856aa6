// trainhost::Value ⇄ JSON, in two parallel trees: the plain value, readable by people and scripts,
// and the places it came from, so that a plugin's later complaint still names file and line.
//
// Threads and ranks: pure functions, any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "trainhost/options.h"

namespace trainhost::recipe {

using Json = nlohmann::ordered_json;

/// Tables and lists nested deeper than this are refused everywhere.
inline constexpr int kMaxDepth = 32;

/// The plain value: {"embed_dim": 64}. Throws Error (kUser) on a real that is not finite.
Json value_to_json(const Value& value);

/// The places: {"file": "recipe.lua", "line": 4, "keys": {"embed_dim": {"file": …, "line": 5}}};
/// "items" for a list. A child at its parent's place, without differing descendants, is left out.
Json positions_to_json(const Value& value);

/// The inverse of the two. `file` and `path` name the spot in errors.
Value value_from_json(const Json& value, const Json& positions, const std::string& file,
                      const std::string& path);

/// A value alone; every part of it gets `position`.
Value value_from_json(const Json& value, const SourcePosition& position, const std::string& path);

/// Text → JSON with trainhost's error (kUser, `file`) and a bound on the size.
Json parse_json(std::string_view text, const std::string& file);

/// JSON → indented text. Throws Error (kUser) on a text that is not UTF-8.
std::string dump_json(const Json& json);

}  // namespace trainhost::recipe
