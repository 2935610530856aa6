// Text for people: widths, cuts, boxes, numbers. UTF-8 in and out; a code point counts as one
// column.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trainhost::telemetry {

std::size_t columns(std::string_view text);
/// At most `width` columns; a cut text ends in "…".
std::string cut(std::string_view text, std::size_t width);
/// Filled up with blanks; longer texts stay as they are.
std::string pad_right(std::string_view text, std::size_t width);
std::string pad_left(std::string_view text, std::size_t width);
/// Broken between words into lines of at most `width` columns (longer words stay whole).
std::vector<std::string> wrap(std::string_view text, std::size_t width);
/// A box of ASCII lines around the wrapped text, `width` columns in all.
std::string boxed(std::string_view text, std::size_t width);
/// Control characters, which could move the cursor, become blanks.
std::string printable(std::string_view text);

std::string count_text(double value);     ///< "12.3 k"; "?" for NaN
std::string duration_text(double value);  ///< "0.42 s", "12 s", "3:05", "1:02:03"; "?" for NaN
std::string value_text(double value);     ///< four significant digits; "?" for NaN
/// "[====>     ]", `width` columns in all.
std::string bar(double fraction, std::size_t width);

}  // namespace trainhost::telemetry
