// What a script gives and gets, as JSON: plain values without positions.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "trainhost/options.h"

namespace trainhost::bench {

using Json = nlohmann::ordered_json;

Json to_json(const Value& value);
Value to_value(const Json& json);

/// The member at `path`: "step_ms.median", also where names hold dots themselves
/// ("final.recall@20"). Null where there is none.
Json at_path(const Json& json, std::string_view path);

/// A number, or the median of a spread; NaN for anything else.
double number_of(const Json& json);

/// A document of a child; null where the text is none.
Json parse(const std::string& text);

/// Indented text; bytes that are no UTF-8 are replaced.
std::string dump(const Json& json);

/// What a script says should be changed of a recipe, as words of the command line, a table
/// `{ strategy = "ddp", train = { epochs = 1 } }` or a list of such words. Tables of named keys
/// become dotted keys, other tables literals. Throws Error (kUser) for anything else.
std::vector<std::string> override_words(const Value& table);

}  // namespace trainhost::bench
