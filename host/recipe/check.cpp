// Checking a table against its schema: types, bounds, unknown and missing keys, defaults.
#include <algorithm>
#include <cmath>

#include "host/recipe/schema.h"

namespace trainhost::recipe {
namespace {

constexpr double kExact = 9007199254740992.0;  // 2^53: whole doubles are exact up to here

std::string full_key(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

/// One option's value. `path` is its full name; every method returns false after a mistake.
class ValueChecker {
 public:
  ValueChecker(const Option& option, Problems& problems) : option_(option), problems_(problems) {}

  bool check(const Value& raw, const std::string& path, Value& out) const {
    out.position = raw.position;
    switch (option_.type) {
      case OptionType::kAny:
        out = raw;
        return true;
      case OptionType::kTable:
        return check_nested(raw, path, out);
      case OptionType::kIntList:
        return check_list(raw, path, OptionType::kInt, out);
      case OptionType::kNumberList:
        return check_list(raw, path, OptionType::kNumber, out);
      case OptionType::kStringList:
        return check_list(raw, path, OptionType::kString, out);
      case OptionType::kTableList:
        return check_list(as_list(raw), path, OptionType::kTable, out);
      default:
        return check_scalar(raw, path, option_.type, out);
    }
  }

 private:
  bool wrong_type(const Value& raw, const std::string& path, OptionType type) const {
    problems_.add(raw.position,
                  path + " must be " + type_in_words(type) + ", not " + value_in_words(raw));
    return false;
  }

  bool check_nested(const Value& raw, const std::string& path, Value& out) const {
    const auto* list = std::get_if<List>(&raw.data);
    const bool table = std::holds_alternative<Table>(raw.data) || (list && list->empty());
    if (!table) return wrong_type(raw, path, OptionType::kTable);
    out = check_table(raw, option_.options, path, problems_);
    return true;
  }

  /// One table stands for a list of it.
  static Value as_list(const Value& raw) {
    const auto* table = std::get_if<Table>(&raw.data);
    return table == nullptr || table->empty() ? raw : Value(List{raw}, raw.position);
  }

  bool check_list(const Value& raw, const std::string& path, OptionType item_type,
                  Value& out) const {
    List items;
    if (const auto* list = std::get_if<List>(&raw.data)) {
      items = *list;
    } else {
      // Lua writes an empty list and an empty table alike.
      const auto* table = std::get_if<Table>(&raw.data);
      if (table == nullptr || !table->empty()) return wrong_type(raw, path, option_.type);
    }
    if (!check_count(raw, path, static_cast<std::int64_t>(items.size()))) return false;
    bool good = true;
    List checked(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      checked[i].position = items[i].position;
      const std::string item = path + "[" + std::to_string(i + 1) + "]";
      good =
          (item_type == OptionType::kTable ? check_nested(items[i], item, checked[i])
                                           : check_scalar(items[i], item, item_type, checked[i])) &&
          good;
    }
    out.data = std::move(checked);
    return good;
  }

  bool check_count(const Value& raw, const std::string& path, std::int64_t count) const {
    const std::int64_t least = option_.min_items.value_or(0);
    const std::int64_t most = option_.max_items.value_or(INT64_MAX);
    if (count >= least && count <= most) return true;
    std::string wanted = "at least " + std::to_string(least);
    if (option_.max_items) {
      wanted = least == most ? std::to_string(most)
                             : std::to_string(least) + " to " + std::to_string(most);
    }
    problems_.add(raw.position,
                  path + " must have " + wanted + " items, not " + std::to_string(count));
    return false;
  }

  bool check_scalar(const Value& raw, const std::string& path, OptionType type, Value& out) const {
    switch (type) {
      case OptionType::kBool:
        if (!std::holds_alternative<bool>(raw.data)) return wrong_type(raw, path, type);
        out.data = raw.data;
        return true;
      case OptionType::kInt:
      case OptionType::kNumber:
        return check_number(raw, path, type, out);
      default:
        return check_text(raw, path, type, out);
    }
  }

  bool check_number(const Value& raw, const std::string& path, OptionType type, Value& out) const {
    const auto* whole = std::get_if<std::int64_t>(&raw.data);
    const auto* real = std::get_if<double>(&raw.data);
    if (whole == nullptr && real == nullptr) return wrong_type(raw, path, type);
    const double number = whole ? static_cast<double>(*whole) : *real;
    if (!std::isfinite(number)) {
      problems_.add(raw.position, path + " must be a finite number, not " + value_in_words(raw));
      return false;
    }
    if (!within_bounds(number)) {
      problems_.add(raw.position,
                    path + " must be " + bounds_in_words(option_) + ", not " + value_in_words(raw));
      return false;
    }
    if (type == OptionType::kNumber) {
      out.data = number;
      return true;
    }
    if (std::trunc(number) != number) return wrong_type(raw, path, type);
    if (std::abs(number) > kExact) {
      problems_.add(raw.position, path + " is too large: " + value_in_words(raw));
      return false;
    }
    out.data = whole ? *whole : static_cast<std::int64_t>(number);
    return true;
  }

  bool within_bounds(double number) const {
    return number >= option_.min.value_or(-HUGE_VAL) && number <= option_.max.value_or(HUGE_VAL) &&
           number > option_.exclusive_min.value_or(-HUGE_VAL) &&
           number < option_.exclusive_max.value_or(HUGE_VAL);
  }

  bool check_text(const Value& raw, const std::string& path, OptionType type, Value& out) const {
    const auto* text = std::get_if<std::string>(&raw.data);
    const auto* whole = std::get_if<std::int64_t>(&raw.data);
    if (whole != nullptr && raw.position.file == kCommandLine) {
      // A shell word of digits, as in `name=2024`.
      out.data = std::to_string(*whole);
      return check_text(out, path, type, out);
    }
    if (text == nullptr) return wrong_type(raw, path, type);
    if (type == OptionType::kPath && text->empty()) {
      problems_.add(raw.position, path + " must be a path, not an empty text");
      return false;
    }
    const auto& known = option_.one_of;
    if (!known.empty() && std::find(known.begin(), known.end(), *text) == known.end()) {
      const std::string near = nearest(*text, known);
      problems_.add(raw.position, path + " must be " + bounds_in_words(option_) + ", not " +
                                      quote(*text) +
                                      (near.empty() ? "" : "; did you mean '" + near + "'?"));
      return false;
    }
    out.data = *text;
    return true;
  }

  const Option& option_;
  Problems& problems_;
};

void report_unknown(const Value& raw, const Schema& schema, const std::string& path,
                    Problems& problems) {
  const auto* table = std::get_if<Table>(&raw.data);
  if (table == nullptr) return;
  std::vector<std::string> known;
  for (const Option& option : schema) known.push_back(option.name);
  const std::string place = path.empty() ? "recipe" : path;
  for (const auto& [key, value] : *table) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (key.starts_with('[')) {
      problems.add(value.position, "value without a key in " + place + ": " +
                                       value_in_words(value) + "; write key = value");
      continue;
    }
    problems.add(value.position,
                 "unknown key " + quote(key) + " in " + place + did_you_mean(key, known, "keys"));
  }
}

/// Fills in the default of an option that was not given, or reports that it is required.
void complete(const Option& option, const Value& raw, const std::string& path, Table& out,
              Problems& problems) {
  if (option.optional && !option.preset) return;
  Value value;
  if (option.preset) {
    value = *option.preset;
  } else if (option.type == OptionType::kTable) {
    Value none;
    none.data = Table{};
    none.position = raw.position;
    value = check_table(none, option.options, path, problems);
  } else {
    const std::string bounds = bounds_in_words(option);
    problems.add(raw.position, path + " is missing (" + type_in_words(option.type) +
                                   (bounds.empty() ? "" : ", " + bounds) + ")");
    return;
  }
  set_position(value, raw.position);
  out.emplace_back(option.name, std::move(value));
}

}  // namespace

void set_position(Value& value, const SourcePosition& position) {
  value.position = position;
  if (auto* table = std::get_if<Table>(&value.data)) {
    for (auto& [key, child] : *table) set_position(child, position);
  } else if (auto* list = std::get_if<List>(&value.data)) {
    for (Value& child : *list) set_position(child, position);
  }
}

Value check_table(const Value& raw, const Schema& schema, const std::string& path,
                  Problems& problems) {
  report_unknown(raw, schema, path, problems);
  Table out;
  for (const Option& option : schema) {
    const std::string name = full_key(path, option.name);
    const Value* given = raw.find(option.name);
    if (given == nullptr || given->is_nil()) {
      complete(option, raw, name, out, problems);
      continue;
    }
    Value checked;
    if (ValueChecker(option, problems).check(*given, name, checked)) {
      out.emplace_back(option.name, std::move(checked));
    }
  }
  Value result;
  result.data = std::move(out);
  result.position = raw.position;
  return result;
}

std::string bounds_in_words(const Option& option) {
  if (!option.one_of.empty()) return "one of " + join(option.one_of, ", ");
  if (option.min && option.max) {
    return "from " + number_text(*option.min) + " to " + number_text(*option.max);
  }
  std::vector<std::string> parts;
  if (option.min) parts.push_back("at least " + number_text(*option.min));
  if (option.exclusive_min) parts.push_back("above " + number_text(*option.exclusive_min));
  if (option.max) parts.push_back("at most " + number_text(*option.max));
  if (option.exclusive_max) parts.push_back("below " + number_text(*option.exclusive_max));
  return join(parts, " and ");
}

std::string value_in_words(const Value& value) {
  struct Words {
    std::string operator()(std::monostate) const { return "nothing"; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return number_text(number); }
    std::string operator()(const std::string& text) const { return quote(text); }
    std::string operator()(const List& list) const {
      return "a list of " + std::to_string(list.size());
    }
    std::string operator()(const Table&) const { return "a table"; }
  };
  return std::visit(Words{}, value.data);
}

std::string positional_key(std::size_t index) {
  return std::string("[") + std::to_string(index) + "]";
}

}  // namespace trainhost::recipe
