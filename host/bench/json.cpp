#include "host/bench/json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/recipe/overrides.h"
#include "host/recipe/text.h"

namespace trainhost::bench {
namespace {

struct ToJson {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(bool on) const { return on; }
  Json operator()(std::int64_t number) const { return number; }
  Json operator()(double number) const { return std::isfinite(number) ? Json(number) : Json(); }
  Json operator()(const std::string& text) const { return text; }
  Json operator()(const List& list) const {
    Json out = Json::array();
    for (const Value& item : list) out.push_back(to_json(item));
    return out;
  }
  Json operator()(const Table& table) const {
    Json out = Json::object();
    for (const auto& [key, value] : table) out[key] = to_json(value);
    return out;
  }
};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += letter;
  }
  return out + "\"";
}

bool is_plain_word(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/' || c == '.' ||
           c == '-' || (c >= '0' && c <= '9');
  };
  const bool starts_as_word =
      !text.empty() && !(text[0] >= '0' && text[0] <= '9') && text[0] != '-' && text[0] != '.';
  return starts_as_word && text != "true" && text != "false" && text != "nil" && text != "null" &&
         text != "inf" && text != "nan" && std::ranges::all_of(text, plain);
}

std::string literal(const Value& value);

struct ToLiteral {
  std::string operator()(std::monostate) const { return "nil"; }
  std::string operator()(bool on) const { return on ? "true" : "false"; }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const { return recipe::number_text(number); }
  std::string operator()(const std::string& text) const {
    return is_plain_word(text) ? text : quoted(text);
  }
  std::string operator()(const List& list) const {
    std::string out;
    for (const Value& item : list) out += (out.empty() ? "" : ", ") + literal(item);
    return "{" + out + "}";
  }
  std::string operator()(const Table& table) const {
    std::string out;
    for (const auto& [key, value] : table) {
      const bool positional = key.starts_with('[');
      out += (out.empty() ? "" : ", ") + (positional ? "" : key + " = ") + literal(value);
    }
    return "{" + out + "}";
  }
};

std::string literal(const Value& value) { return std::visit(ToLiteral{}, value.data); }

/// At the top of an override a text may stand bare, blanks included.
std::string value_text(const Value& value) {
  const auto* text = std::get_if<std::string>(&value.data);
  if (text != nullptr && text->starts_with('/') && !text->ends_with(' ')) return *text;
  return literal(value);
}

bool has_names_only(const Value& value) {
  const auto* table = std::get_if<Table>(&value.data);
  return table != nullptr && !table->empty() &&
         std::ranges::none_of(*table, [](const auto& entry) { return entry.first[0] == '['; });
}

void add_words(const std::string& prefix, const Value& value, std::vector<std::string>& out) {
  for (const auto& [key, child] : std::get<Table>(value.data)) {
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    if (has_names_only(child)) {
      add_words(path, child, out);
    } else {
      out.push_back(path + "=" + value_text(child));
    }
  }
}

[[noreturn]] void refuse(const Value& value, const std::string& what) {
  throw Error(Failure::kUser, {.where = value.position.text(),
                               .what = what,
                               .fix = R"(such as { strategy = "ddp", train = { epochs = 1 } })"});
}

}  // namespace

Json to_json(const Value& value) { return std::visit(ToJson{}, value.data); }

Value to_value(const Json& json) {
  Value out;
  if (json.is_boolean()) {
    out.data = json.get<bool>();
  } else if (json.is_number_integer()) {
    out.data = json.get<std::int64_t>();
  } else if (json.is_number()) {
    out.data = json.get<double>();
  } else if (json.is_string()) {
    out.data = json.get<std::string>();
  } else if (json.is_array()) {
    List list;
    for (const Json& item : json) list.push_back(to_value(item));
    out.data = std::move(list);
  } else if (json.is_object()) {
    Table table;
    for (const auto& [key, value] : json.items()) table.emplace_back(key, to_value(value));
    out.data = std::move(table);
  }
  return out;
}

Json at_path(const Json& json, std::string_view path) {
  if (path.empty()) return json;
  if (!json.is_object()) return nullptr;
  for (std::size_t end = path.size(); end != std::string_view::npos && end > 0;
       end = path.rfind('.', end - 1)) {
    const auto found = json.find(std::string(path.substr(0, end)));
    if (found == json.end()) continue;
    return at_path(*found, end == path.size() ? std::string_view() : path.substr(end + 1));
  }
  return nullptr;
}

double number_of(const Json& json) {
  if (json.is_number()) return json.get<double>();
  const auto median = json.is_object() ? json.find("median") : json.end();
  if (json.is_object() && median != json.end() && median->is_number()) return median->get<double>();
  return std::numeric_limits<double>::quiet_NaN();
}

Json parse(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false).is_discarded()
             ? Json()
             : Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::string> override_words(const Value& table) {
  std::vector<std::string> out;
  if (table.is_nil()) return out;
  if (const auto* list = std::get_if<List>(&table.data)) {
    for (const Value& item : *list) {
      const auto* text = std::get_if<std::string>(&item.data);
      if (text == nullptr) refuse(table, "a list of overrides holds texts key=value");
      out.push_back(*text);
    }
  } else if (std::holds_alternative<Table>(table.data)) {
    add_words("", table, out);
  } else {
    refuse(table, "overrides are a table");
  }
  for (const std::string& word : out) {
    if (!recipe::looks_like_override(word)) {
      refuse(table, recipe::quote(word) + " is no override key=value");
    }
  }
  return out;
}

}  // namespace trainhost::bench
