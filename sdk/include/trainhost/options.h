// Options: a typed, read-only view of a table of a recipe, with the place each value came from.
//
// Purpose: what a plugin is given of the recipe. The host has checked the table against the
// plugin's schema (plugin.h) and filled in the defaults, so every declared key is present and of
// its type. Owner: a Value owns its children; an Options borrows a Value, which the host keeps for
// the life of the plugin instance. Threads and ranks: immutable, any thread; equal on all ranks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "trainhost/error.h"

namespace trainhost {

/// Where a value was written: a file and a line (1-based), or the command line ("command line", 0).
struct SourcePosition {
  std::string file;
  int line = 0;
  std::string text() const { return line > 0 ? file + ":" + std::to_string(line) : file; }
};

struct Value;
using List = std::vector<Value>;
using Table = std::vector<std::pair<std::string, Value>>;  // in the order of the schema

/// A value of a recipe: nothing, boolean, integer, real, text, list or table.
struct Value {
  using Data = std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Table>;
  Data data;
  SourcePosition position;

  // Declared: Clang would look into Table's pair, which holds a Value, before that is complete.
  Value() noexcept = default;
  Value(Data what, SourcePosition where) : data(std::move(what)), position(std::move(where)) {}

  bool is_nil() const { return std::holds_alternative<std::monostate>(data); }

  /// The entry of a table, or nullptr (also when this is no table).
  const Value* find(std::string_view key) const {
    if (const auto* table = std::get_if<Table>(&data)) {
      for (const auto& [name, value] : *table) {
        if (name == key) return &value;
      }
    }
    return nullptr;
  }
};

/// Typed access to a table. Every getter throws Error (Failure::kUser) with the value's position
/// when the key is missing or of another type; an integer is accepted where a real is asked for.
class Options {
 public:
  Options(const Value& table, std::string path) : table_(&table), path_(std::move(path)) {}

  bool has(std::string_view key) const {
    const Value* value = table_->find(key);
    return value != nullptr && !value->is_nil();
  }
  bool boolean(std::string_view key) const { return get<bool>(key, "true or false"); }
  std::int64_t integer(std::string_view key) const { return get<std::int64_t>(key, "an integer"); }
  double real(std::string_view key) const { return real(value(key), key); }
  const std::string& text(std::string_view key) const { return get<std::string>(key, "a text"); }
  std::vector<std::int64_t> integers(std::string_view key) const {
    std::vector<std::int64_t> out;
    for (const Value& item : get<List>(key, "a list of integers")) {
      out.push_back(as<std::int64_t>(item, key, "a list of integers"));
    }
    return out;
  }
  std::vector<double> reals(std::string_view key) const {
    std::vector<double> out;
    for (const Value& item : get<List>(key, "a list of numbers")) out.push_back(real(item, key));
    return out;
  }
  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> out;
    for (const Value& item : get<List>(key, "a list of texts")) {
      out.push_back(as<std::string>(item, key, "a list of texts"));
    }
    return out;
  }
  /// A nested table.
  Options table(std::string_view key) const {
    get<Table>(key, "a table");
    return Options(value(key), full(key));
  }

  /// A list of tables.
  std::vector<Options> tables(std::string_view key) const {
    std::vector<Options> out;
    for (const Value& item : get<List>(key, "a list of tables")) {
      as<Table>(item, key, "a list of tables");
      out.emplace_back(item, full(key) + "[" + std::to_string(out.size() + 1) + "]");
    }
    return out;
  }

  const Value& value(std::string_view key) const {
    if (const Value* found = table_->find(key)) return *found;
    throw Error(Failure::kUser,
                {.where = table_->position.text(), .what = "missing option '" + full(key) + "'"});
  }
  /// The dotted path of a key as a user writes it on the command line ("model.embed_dim").
  std::string full(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }
  SourcePosition position(std::string_view key) const { return value(key).position; }

 private:
  template <class T>
  const T& get(std::string_view key, const char* expected) const {
    return as<T>(value(key), key, expected);
  }
  template <class T>
  const T& as(const Value& value, std::string_view key, const char* expected) const {
    if (const T* found = std::get_if<T>(&value.data)) return *found;
    throw Error(Failure::kUser, {.where = value.position.text(),
                                 .what = "option '" + full(key) + "' has another type",
                                 .expected = expected});
  }
  double real(const Value& value, std::string_view key) const {
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
      return static_cast<double>(*whole);
    }
    return as<double>(value, key, "a number");
  }

  const Value* table_;
  std::string path_;
};

}  // namespace trainhost
