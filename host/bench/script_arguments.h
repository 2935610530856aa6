// What the functions of a script are given, checked.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "host/bench/json.h"
#include "trainhost/options.h"

namespace trainhost::bench {

/// The text that stands at `index`. Throws Error (kUser) where there is none.
std::string text_argument(const std::vector<Value>& arguments, std::size_t index,
                          const char* function, const char* what);

/// The table at `index`, or an empty one where nothing stands there, against a schema in the form
/// of host/recipe/schema.h, defaults filled in. Throws Error (kUser) that names all mistakes.
Value table_argument(const std::vector<Value>& arguments, std::size_t index, const char* function,
                     const char* schema);

/// A member of a checked table; nil where it is absent.
Value member(const Value& table, const char* name);
std::string text_member(const Value& table, const char* name);
std::int64_t whole_member(const Value& table, const char* name);
double real_member(const Value& table, const char* name);
bool bool_member(const Value& table, const char* name);

}  // namespace trainhost::bench
