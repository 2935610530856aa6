#include "host/recipe/schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "host/recipe/value_json.h"

namespace trainhost::recipe {
namespace {

struct TypeWords {
  OptionType type;
  const char* name;
  const char* words;
};

constexpr std::array<TypeWords, 11> kTypes{{
    {OptionType::kAny, "any", "a value"},
    {OptionType::kBool, "bool", "true or false"},
    {OptionType::kInt, "int", "an integer"},
    {OptionType::kNumber, "number", "a number"},
    {OptionType::kString, "string", "a text"},
    {OptionType::kPath, "path", "a path"},
    {OptionType::kIntList, "list<int>", "a list of integers"},
    {OptionType::kNumberList, "list<number>", "a list of numbers"},
    {OptionType::kStringList, "list<string>", "a list of texts"},
    {OptionType::kTable, "table", "a table"},
    {OptionType::kTableList, "list<table>", "a list of tables"},
}};

bool is_number_like(OptionType type) {
  return type == OptionType::kInt || type == OptionType::kNumber || type == OptionType::kIntList ||
         type == OptionType::kNumberList;
}

bool is_list(OptionType type) {
  return type == OptionType::kIntList || type == OptionType::kNumberList ||
         type == OptionType::kStringList || type == OptionType::kTableList;
}

bool is_identifier(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || name.size() > 64 || !letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

/// Reads one option of the JSON form.
class OptionReader {
 public:
  OptionReader(const Json& json, std::string origin, int depth)
      : json_(json), origin_(std::move(origin)), depth_(depth) {}

  Option read() {
    if (!json_.is_object()) fail("an option is no object");
    read_name_and_type();
    for (const auto& [key, field] : json_.items()) read_field(key, field);
    read_default();
    return std::move(option_);
  }

  [[noreturn]] void fail(const std::string& what) const {
    const std::string name = option_.name.empty() ? "" : "option '" + option_.name + "': ";
    throw Error(Failure::kPlugin,
                {.where = origin_, .what = "wrong option schema: " + name + what});
  }

 private:
  void read_name_and_type() {
    const std::string name = text(json_.value("name", Json()), "name");
    if (!is_identifier(name)) fail("the name " + quote(name) + " is no identifier");
    option_.name = name;
    const std::string type = text(json_.value("type", Json()), "type");
    const auto* known = std::find_if(kTypes.begin(), kTypes.end(),
                                     [&](const TypeWords& words) { return type == words.name; });
    if (known == kTypes.end()) fail("unknown type " + quote(type));
    option_.type = known->type;
  }

  void read_field(const std::string& key, const Json& field) {
    if (key == "name" || key == "type" || key == "default") return;
    if (key == "help") {
      option_.help = text(field, key);
    } else if (key == "optional") {
      if (!field.is_boolean()) fail("'optional' is neither true nor false");
      option_.optional = field.get<bool>();
    } else if (key == "one_of") {
      read_one_of(field);
    } else if (key == "options") {
      read_options(field);
    } else if (key == "min_items" || key == "max_items") {
      read_item_count(key, field);
    } else {
      read_bound(key, field);
    }
  }

  void read_one_of(const Json& field) {
    const bool fits =
        option_.type == OptionType::kString || option_.type == OptionType::kStringList;
    if (!fits || !field.is_array() || field.empty()) fail("'one_of' is a list of texts, for texts");
    for (const Json& item : field) option_.one_of.push_back(text(item, "one_of"));
  }

  void read_options(const Json& field);

  void read_item_count(const std::string& key, const Json& field) {
    if (!is_list(option_.type)) fail("'" + key + "' is for lists");
    if (!field.is_number_unsigned() || field.get<std::uint64_t>() > 1'000'000'000) {
      fail("'" + key + "' is no count");
    }
    (key == "min_items" ? option_.min_items : option_.max_items) = field.get<std::int64_t>();
  }

  void read_bound(const std::string& key, const Json& field) {
    std::optional<double>* bound = key == "min"             ? &option_.min
                                   : key == "max"           ? &option_.max
                                   : key == "exclusive_min" ? &option_.exclusive_min
                                   : key == "exclusive_max" ? &option_.exclusive_max
                                                            : nullptr;
    if (bound == nullptr) fail("unknown property " + quote(key));
    if (!is_number_like(option_.type)) fail("'" + key + "' is for numbers");
    if (!field.is_number()) fail("'" + key + "' is no number");
    *bound = field.get<double>();
  }

  void read_default() {
    const auto found = json_.find("default");
    if (found == json_.end()) return;
    if (option_.type == OptionType::kAny) fail("type any has no default");
    // The default must pass its own schema, or every recipe would fail on it.
    Table table;
    table.emplace_back(option_.name, value_from_json(*found, {origin_, 0}, option_.name));
    Problems problems;
    Value holder;
    holder.data = std::move(table);
    holder.position = {origin_, 0};
    const Value checked = check_table(holder, {option_}, "", problems);
    try {
      problems.throw_if_any(origin_);
    } catch (const Error& error) {
      fail(std::string("its default is wrong: ") + error.text().what);
    }
    option_.preset = *checked.find(option_.name);
  }

  std::string text(const Json& field, const std::string& key) const {
    if (!field.is_string()) fail("'" + key + "' is no text");
    return field.get<std::string>();
  }

  const Json& json_;
  std::string origin_;
  int depth_;
  Option option_;
};

Schema read_schema(const Json& json, const std::string& origin, int depth) {
  const auto fail = [&](const std::string& what) {
    throw Error(Failure::kPlugin, {.where = origin, .what = "wrong option schema: " + what});
  };
  if (!json.is_array()) fail("it is no list of options");
  if (depth > kMaxDepth) fail("it is nested too deeply");
  Schema schema;
  for (const Json& item : json) {
    Option option = OptionReader(item, origin, depth).read();
    for (const Option& other : schema) {
      if (other.name == option.name) fail("option '" + option.name + "' is declared twice");
    }
    schema.push_back(std::move(option));
  }
  return schema;
}

void OptionReader::read_options(const Json& field) {
  if (option_.type != OptionType::kTable && option_.type != OptionType::kTableList) {
    fail("'options' is for tables");
  }
  option_.options = read_schema(field, origin_, depth_ + 1);
}

}  // namespace

Schema schema_from_json(std::string_view text, const std::string& origin) {
  Json json;
  try {
    json = parse_json(text, origin);
  } catch (const Error& error) {
    throw Error(Failure::kPlugin,
                {.where = origin, .what = "wrong option schema: " + error.text().what});
  }
  return read_schema(json, origin, 0);
}

std::string type_in_words(OptionType type) {
  for (const TypeWords& words : kTypes) {
    if (words.type == type) return words.words;
  }
  return "a value";
}

std::string type_name(OptionType type) {
  for (const TypeWords& words : kTypes) {
    if (words.type == type) return words.name;
  }
  return "any";
}

}  // namespace trainhost::recipe
