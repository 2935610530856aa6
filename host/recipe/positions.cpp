#include "host/recipe/positions.h"

#include <algorithm>
#include <array>
#include <vector>

#include "host/recipe/lexer.h"
#include "host/recipe/schema.h"

namespace trainhost::recipe {

/// Walks the tokens once, noting the tables of variables on the way to the last `return`.
class PlaceParser {
 public:
  PlaceParser(std::string_view source, Places& places)
      : tokens_(tokens_of(source)), places_(places) {}

  void run() {
    while (!now().is_end()) {
      if (now().is("return") && functions_open() == 0) {
        next();
        places_.root_.line = tokens_[at_ - 1].line;
        places_.root_.below = value().below;
      } else if (is_assignment()) {
        assignment();
      } else {
        track_block();
        next();
      }
    }
  }

 private:
  static constexpr int kDeepest = 64;

  struct View {
    const Token& token;
    bool is(std::string_view text) const { return token.is(text); }
    bool is_name() const { return token.kind == Token::Kind::kName; }
    bool is_end() const { return token.kind == Token::Kind::kEnd; }
  };

  View now(std::size_t ahead = 0) const {
    return {tokens_[std::min(at_ + ahead, tokens_.size() - 1)]};
  }
  void next() { at_ = std::min(at_ + 1, tokens_.size() - 1); }

  /// Blocks that are open here; a return inside a function is not the recipe's.
  void track_block() {
    if (now().is("function") || now().is("do") || now().is("if") || now().is("repeat")) {
      blocks_.push_back(now().is("function"));
    } else if ((now().is("end") || now().is("until")) && !blocks_.empty()) {
      blocks_.pop_back();
    }
  }
  std::ptrdiff_t functions_open() const { return std::count(blocks_.begin(), blocks_.end(), true); }

  /// True at NAME (. NAME)* [<attribute>] = …, where that is the whole left side.
  bool is_assignment() const {
    if (!now().is_name()) return false;
    const bool starts = at_ == 0 || !(tokens_[at_ - 1].is(",") || tokens_[at_ - 1].is(".") ||
                                      tokens_[at_ - 1].is(":"));
    if (!starts) return false;
    return now(path_length()).is("=");
  }
  std::size_t path_length() const {
    std::size_t length = 1;
    while (now(length).is(".") && now(length + 1).is_name()) length += 2;
    if (length == 1 && now(1).is("<") && now(2).is_name() && now(3).is(">")) length += 3;
    return length;
  }

  void assignment() {
    const std::size_t length = path_length();
    const int line = now().token.line;
    std::vector<std::string_view> path;
    for (std::size_t i = 0; i < length; i += 2) {
      if (now(i).is_name()) path.push_back(now(i).token.text);
      if (now(i + 1).is("<")) break;
    }
    at_ = std::min(at_ + length + 1, tokens_.size() - 1);
    Place place = value();
    place.line = line;
    store(path, place);
  }

  void store(const std::vector<std::string_view>& path, const Place& place) {
    PlaceTable* table = &variables_;
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      const auto found = table->keys.find(path[i]);
      if (found == table->keys.end() || found->second.below == nullptr) return;
      table = found->second.below;
    }
    table->keys[std::string(path.back())] = place;
  }

  /// An expression's place: a literal table, or a variable (or field of one) standing alone.
  Place value(int depth = 0) {
    Place place{now().token.line, nullptr};
    if (now().is("{")) {
      if (depth < kDeepest) place.below = table(depth);
    } else if (now().is_name()) {
      place.below = variable();
    }
    return place;
  }

  PlaceTable* variable() {
    PlaceTable* table = &variables_;
    std::size_t ahead = 0;
    while (true) {
      const auto found = table->keys.find(now(ahead).token.text);
      if (found == table->keys.end()) return nullptr;
      table = found->second.below;
      if (!now(ahead + 1).is(".") || table == nullptr) break;
      ahead += 2;
    }
    // A call or an operator after it makes something else of it.
    const View after = now(ahead + 1);
    constexpr std::array<std::string_view, 9> kMore{"(", "[", ":", "+", "-", "*", "/", "and", "or"};
    const bool alone = std::none_of(kMore.begin(), kMore.end(),
                                    [&](std::string_view sign) { return after.is(sign); });
    return alone ? table : nullptr;
  }

  PlaceTable* table(int depth) {
    PlaceTable& out = places_.tables_.emplace_back();
    next();
    std::size_t positional = 0;
    while (!now().is("}") && !now().is_end()) {
      field(out, positional, depth);
      skip_value();
      if (now().is(",") || now().is(";")) next();
    }
    next();
    return &out;
  }

  void field(PlaceTable& out, std::size_t& positional, int depth) {
    const int line = now().token.line;
    std::string key;
    if (now().is_name() && now(1).is("=")) {
      key = now().token.text;
      next();
      next();
    } else if (now().is("[")) {
      key = bracketed_key();
    } else {
      key = positional_key(++positional);
    }
    Place place = value(depth + 1);
    place.line = line;
    if (!key.empty()) out.keys[key] = place;
  }

  /// ["name"] = or [3] =; "" for a computed key.
  std::string bracketed_key() {
    std::string key;
    const Token& token = now(1).token;
    if (now(2).is("]")) {
      if (token.kind == Token::Kind::kText) key = token.text;
      if (token.kind == Token::Kind::kNumber) key = std::string("[").append(token.text) + "]";
    }
    int open = 0;
    do {
      if (now().is("[")) ++open;
      if (now().is("]")) --open;
      next();
    } while (open > 0 && !now().is_end());
    if (now().is("=")) next();
    return key;
  }

  /// Moves to the ',', ';' or '}' that ends a field; function bodies keep theirs.
  void skip_value() {
    int brackets = 0;
    const std::size_t outer_blocks = blocks_.size();
    while (!now().is_end()) {
      const bool inside = brackets > 0 || blocks_.size() > outer_blocks;
      if (!inside && (now().is(",") || now().is(";") || now().is("}"))) return;
      if (now().is("{") || now().is("(") || now().is("[")) ++brackets;
      if (now().is("}") || now().is(")") || now().is("]")) --brackets;
      track_block();
      next();
    }
  }

  std::vector<Token> tokens_;
  Places& places_;
  std::size_t at_ = 0;
  std::vector<bool> blocks_;  // true: a function
  PlaceTable variables_;
};

Places Places::of(std::string_view source) {
  Places places;
  PlaceParser(source, places).run();
  return places;
}

Place Places::entry(const Place& place, std::string_view key) {
  if (place.below != nullptr) {
    const auto found = place.below->keys.find(key);
    if (found != place.below->keys.end()) return found->second;
  }
  return {place.line, nullptr};
}

}  // namespace trainhost::recipe
