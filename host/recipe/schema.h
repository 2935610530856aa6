// Schema: what a table of a recipe may hold. One schema serves checking, defaults, `describe` and
// the editor's completion; plugins carry theirs as JSON in their note, the host's own keys use the
// same form.
//
//   [{"name": "embed_dim", "type": "int", "default": 64, "min": 1, "max": 65536, "help": "…"},
//    {"name": "aggregator", "type": "string", "default": "bi", "one_of": ["bi", "gcn"]},
//    {"name": "layer_dims", "type": "list<int>", "default": [64, 32, 16], "min": 1, "max_items":
//    16},
//    {"name": "pretrain", "type": "table", "options": [ … ]},
//    {"name": "kg_batch", "type": "int", "optional": true}]
//
// Types: bool, int, number, string, path, list<int>, list<number>, list<string>, table, list<table>
// (one table stands for a list of it), any. Bounds
// (min, max, exclusive_min, exclusive_max) and one_of hold for each item of a list, which itself
// has min_items and max_items. An option without "default" and "optional" is required; a table
// without them is filled from its own options.
//
// Threads and ranks: values and pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/recipe/problems.h"
#include "trainhost/options.h"

namespace trainhost::recipe {

enum class OptionType {
  kAny,  ///< not looked at here
  kBool,
  kInt,
  kNumber,
  kString,
  kPath,  ///< a relative one stays as written: relative to the plan's working_dir
  kIntList,
  kNumberList,
  kStringList,
  kTable,
  kTableList,
};

struct Option {
  std::string name;
  OptionType type = OptionType::kAny;
  std::string help;
  std::optional<Value> preset;  ///< the default
  bool optional = false;        ///< absent when not given
  std::optional<double> min, max, exclusive_min, exclusive_max;
  std::optional<std::int64_t> min_items, max_items;
  std::vector<std::string> one_of;
  std::vector<Option> options;  ///< of a table, or of each table of a list
};

using Schema = std::vector<Option>;

/// Reads the JSON form. `origin` ("plugin 'kgat'") names it in the Error (kPlugin) that any wrong
/// schema gives, a default that breaks its own bounds included.
Schema schema_from_json(std::string_view text, const std::string& origin);

/// Checks `raw` against the schema and returns it with defaults filled in, in the schema's order.
/// `path` is the dotted name a user writes ("model"; "" for the recipe itself). Mistakes go to
/// `problems`; an option with one is left out of the result.
Value check_table(const Value& raw, const Schema& schema, const std::string& path,
                  Problems& problems);

/// Gives a value and everything in it one place.
void set_position(Value& value, const SourcePosition& position);

/// "a list of integers", for messages and help.
std::string type_in_words(OptionType type);

/// "list<int>", as in the JSON form.
std::string type_name(OptionType type);

/// "from 1 to 65536", "above 0", "one of bi, gcn"; "" without bounds.
std::string bounds_in_words(const Option& option);

/// A short form of any value for messages: -3, 'text', a list, a table, nothing.
std::string value_in_words(const Value& value);

/// The key under which a table that also has named keys holds its i-th positional value (from 1).
std::string positional_key(std::size_t index);

}  // namespace trainhost::recipe
