#include "host/recipe/lexer.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace trainhost::recipe {
namespace {

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_name_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (skip_blank()) read_token();
    tokens_.push_back({Token::Kind::kEnd, {}, line_});
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  /// Moves past white space and comments; false at the end.
  bool skip_blank() {
    while (at_ < source_.size()) {
      const char c = peek();
      if (c == '\n') ++line_;
      if (c == '-' && peek(1) == '-') {
        skip_comment();
      } else if (std::isspace(static_cast<unsigned char>(c))) {
        ++at_;
      } else {
        return true;
      }
    }
    return false;
  }

  void skip_comment() {
    at_ += 2;
    if (peek() == '[' && long_bracket_level() >= 0) {
      read_long_text();
      return;
    }
    at_ = std::min(source_.find('\n', at_), source_.size());
  }

  /// The number of '=' in an opening long bracket here, −1 where there is none.
  int long_bracket_level() const {
    std::size_t level = 0;
    while (peek(1 + level) == '=') ++level;
    return peek(1 + level) == '[' ? static_cast<int>(level) : -1;
  }

  std::string_view read_long_text() {
    const auto level = static_cast<std::size_t>(long_bracket_level());
    at_ += level + 2;
    std::string close = "]";
    close.append(level, '=').append("]");
    const std::size_t end = std::min(source_.find(close, at_), source_.size());
    const std::string_view text = source_.substr(at_, end - at_);
    line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    at_ = std::min(end + close.size(), source_.size());
    return text;
  }

  std::string_view read_quoted() {
    const char quote = peek();
    const std::size_t begin = ++at_;
    while (at_ < source_.size() && peek() != quote) {
      // An escaped line end stays in the text, so it counts below like any other.
      const bool escape = peek() == '\\' && at_ + 1 < source_.size();
      for (int i = 0; i < (escape ? 2 : 1); ++i) {
        if (peek() == '\n') ++line_;
        ++at_;
      }
    }
    const std::string_view text = source_.substr(begin, at_ - begin);
    at_ = std::min(at_ + 1, source_.size());
    return text;
  }

  void read_token() {
    const int line = line_;
    const char c = peek();
    if (is_name_start(c)) {
      add(Token::Kind::kName, take_while(is_name_part), line);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      add(Token::Kind::kNumber, read_number(), line);
    } else if (c == '"' || c == '\'') {
      add(Token::Kind::kText, read_quoted(), line);
    } else if (c == '[' && long_bracket_level() >= 0) {
      add(Token::Kind::kText, read_long_text(), line);
    } else {
      read_sign(line);
    }
  }

  /// Comparisons are one token, so that '=' alone always is an assignment.
  void read_sign(int line) {
    const char c = peek();
    const bool twin = peek(1) == '=' && (c == '=' || c == '<' || c == '>' || c == '~');
    const std::size_t size = twin ? 2 : 1;
    add(Token::Kind::kSign, source_.substr(at_, size), line);
    at_ += size;
  }

  std::string_view read_number() {
    const std::size_t begin = at_;
    while (is_name_part(peek()) || peek() == '.' || signed_exponent()) ++at_;
    return source_.substr(begin, at_ - begin);
  }

  bool signed_exponent() const {
    if (peek() != '+' && peek() != '-') return false;
    const char before = at_ > 0 ? source_[at_ - 1] : '\0';
    return before == 'e' || before == 'E' || before == 'p' || before == 'P';
  }

  template <class Predicate>
  std::string_view take_while(Predicate predicate) {
    const std::size_t begin = at_;
    while (at_ < source_.size() && predicate(peek())) ++at_;
    return source_.substr(begin, at_ - begin);
  }

  void add(Token::Kind kind, std::string_view text, int line) {
    tokens_.push_back({kind, text, line});
  }

  std::string_view source_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer(source).run(); }

}  // namespace trainhost::recipe
