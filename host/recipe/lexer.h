// Splits Lua source into the tokens that positions.cpp needs: names, texts, numbers and signs, each
// with its line. Comments are dropped.
//
// Threads and ranks: a pure function, any thread.
#pragma once

#include <string_view>
#include <vector>

namespace trainhost::recipe {

struct Token {
  enum class Kind { kName, kText, kNumber, kSign, kEnd };
  Kind kind = Kind::kEnd;
  std::string_view text;  ///< of a text: what stands between its quotes, escapes unread
  int line = 1;

  bool is(std::string_view sign_or_word) const {
    return (kind == Kind::kSign || kind == Kind::kName) && text == sign_or_word;
  }
};

/// Never empty: the last token is kEnd. The tokens point into `source`.
std::vector<Token> tokens_of(std::string_view source);

}  // namespace trainhost::recipe
