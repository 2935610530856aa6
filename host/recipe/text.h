// Words for messages: near misses, quotations, lists, numbers; and what counts as a text.
//
// Threads and ranks: pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trainhost::recipe {

/// The known name nearest to `word` by edits (a swap of neighbours counts once), "" if none is
/// near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// "; did you mean 'strategy'?", or "; known keys: a, b" where nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view group);

std::string join(const std::vector<std::string>& words, std::string_view separator);

/// A shortened quotation of a user's text for a message: 'bi', without control characters.
std::string quote(std::string_view text);

/// The text as a string of Lua's, to be written into a recipe.
std::string lua_text(const std::string& text);

/// True for UTF-8 without control characters other than tab and line end.
bool is_clean_text(std::string_view text);

/// `text` if it is clean, otherwise with '?' for every byte that is not plain ASCII.
std::string cleaned(std::string_view text);

/// The shortest text that reads back as the same number: "0.001", "8192".
std::string number_text(double number);

/// The same in at most six digits, for people: 0.0028284271247 → "0.00282843".
std::string short_number(double number);

}  // namespace trainhost::recipe
