#include "host/recipe/literal.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "host/recipe/schema.h"
#include "host/recipe/text.h"
#include "host/recipe/value_json.h"

namespace trainhost::recipe {
namespace {

constexpr std::size_t kLongest = 65'536;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool all = end == text.data() + text.size() && !text.empty();
  if (!all || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::nullopt;
  return number;
}

/// 007 is a text: as a number it would lose its zeros.
bool has_leading_zero(std::string_view word) {
  return word.size() > 1 && word[0] == '0' && word[1] >= '0' && word[1] <= '9';
}

/// What a word without quotes means.
Value word_value(std::string_view word, const SourcePosition& position) {
  Value out;
  out.position = position;
  if (word == "true" || word == "false") {
    out.data = word == "true";
  } else if (word == "nil" || word == "null") {
    out.data = std::monostate{};
  } else if (has_leading_zero(word)) {
    out.data = std::string(word);
  } else if (const auto whole = whole_number<std::int64_t>(word)) {
    out.data = *whole;
  } else if (const auto real = whole_number<double>(word)) {
    out.data = *real;
  } else {
    out.data = std::string(word);
  }
  return out;
}

class LiteralParser {
 public:
  LiteralParser(std::string_view text, const SourcePosition& position)
      : text_(text), position_(position) {}

  Value parse() {
    Value out = value(0);
    skip_blank();
    if (at_ < text_.size()) fail("something follows the value");
    return out;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blank() {
    while (is_blank(peek())) ++at_;
  }

  Value value(int depth) {
    if (depth >= kMaxDepth) fail("it is nested too deeply");
    skip_blank();
    if (peek() == '[') return list(depth);
    if (peek() == '{') return braces(depth);
    if (peek() == '"' || peek() == '\'') return text_value(quoted());
    const std::string_view word = trim(bare(",]}"));
    if (word.empty() || word.front() == '=') fail("a value is missing");
    return word_value(word, position_);
  }

  Value text_value(std::string text) const {
    Value out;
    out.position = position_;
    out.data = std::move(text);
    return out;
  }

  Value list(int depth) {
    List items;
    ++at_;
    while (more(']')) {
      items.push_back(value(depth + 1));
      separator(']');
    }
    Value out;
    out.position = position_;
    out.data = std::move(items);
    return out;
  }

  /// A table, a list, or Lua's mixture of both.
  Value braces(int depth) {
    List items;
    Table table;
    ++at_;
    while (more('}')) {
      if (auto key = read_key()) {
        table.emplace_back(std::move(*key), value(depth + 1));
      } else {
        items.push_back(value(depth + 1));
      }
      separator('}');
    }
    Value out;
    out.position = position_;
    if (table.empty() && !items.empty()) {
      out.data = std::move(items);
      return out;
    }
    for (std::size_t i = items.size(); i-- > 0;) {
      table.insert(table.begin(), {positional_key(i + 1), std::move(items[i])});
    }
    out.data = std::move(table);
    return out;
  }

  bool more(char close) {
    skip_blank();
    if (at_ >= text_.size()) fail(std::string("'") + close + "' is missing at its end");
    if (peek() != close) return true;
    ++at_;
    return false;
  }

  /// A ',' or, left for more(), the closing bracket.
  void separator(char close) {
    skip_blank();
    if (peek() == ',' || peek() == ';') {
      ++at_;
    } else if (peek() != close) {
      fail(std::string("',' or '") + close + "' is missing");
    }
  }

  /// `name =`, `"name" =`, `"name":`; nothing is consumed where no key stands.
  std::optional<std::string> read_key() {
    const std::size_t begin = at_;
    std::string key;
    if (peek() == '"' || peek() == '\'') {
      key = quoted();
    } else {
      key = std::string(trim(bare(",]}{[=:\"'")));
    }
    skip_blank();
    const bool is_key = (peek() == '=' || peek() == ':') && !key.empty() && key.front() != '[';
    if (!is_key) {
      at_ = begin;
      return std::nullopt;
    }
    ++at_;
    return key;
  }

  std::string_view bare(std::string_view stops) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && stops.find(text_[at_]) == std::string_view::npos) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string quoted() {
    const char quote = text_[at_++];
    std::string out;
    while (peek() != quote) {
      if (at_ >= text_.size()) fail("a quotation does not end");
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    ++at_;
    return out;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Failure::kUser,
                {.where = position_.text(),
                 .what = "cannot read the value " + cleaned(quote(text_)) + ": " + what});
  }

  std::string_view text_;
  SourcePosition position_;
  std::size_t at_ = 0;
};

}  // namespace

Value parse_literal(std::string_view text, const SourcePosition& position) {
  const auto refuse = [&](const char* what) {
    throw Error(Failure::kUser, {.where = position.text(), .what = what});
  };
  if (text.size() > kLongest) refuse("a value is longer than 64 KiB");
  if (!is_clean_text(text)) refuse("a value is no UTF-8 or has control characters");
  text = trim(text);
  constexpr std::string_view kOpeners = "[{\"'";
  if (!text.empty() && kOpeners.find(text.front()) != std::string_view::npos) {
    return LiteralParser(text, position).parse();
  }
  return word_value(text, position);
}

}  // namespace trainhost::recipe
