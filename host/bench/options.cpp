#include "host/bench/options.h"

#include <algorithm>

#include "host/recipe/literal.h"
#include "host/recipe/overrides.h"
#include "host/recipe/text.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::bench {
namespace {

const SourcePosition kFromUser{"command line", 0};
const std::vector<std::string> kTypes = {"text", "integer", "number", "boolean", "list"};

std::string type_of(const Json& preset) {
  if (preset.is_boolean()) return "boolean";
  if (preset.is_number_integer()) return "integer";
  if (preset.is_number()) return "number";
  if (preset.is_array() || preset.is_object()) return "list";  // an empty table is a list as well
  return "text";
}

Json list_from(const std::string& text) {
  if (text.starts_with('[') || text.starts_with('{')) {
    return to_json(recipe::parse_literal(text, kFromUser));
  }
  Json out = Json::array();
  for (std::size_t begin = 0; begin <= text.size() && !text.empty();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(to_json(recipe::parse_literal(text.substr(begin, end - begin), kFromUser)));
    begin = end + 1;
  }
  return out;
}

bool fits(const Json& value, const std::string& type) {
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "list") return value.is_array();
  return value.is_string();
}

Json value_from(const std::string& name, const std::string& text, const std::string& type) {
  Json out = type == "text"   ? Json(text)
             : type == "list" ? list_from(text)
                              : to_json(recipe::parse_literal(text, kFromUser));
  if (fits(out, type)) return out;
  throw Error(Failure::kUser, {.where = "command line",
                               .what = "option '" + name + "' has another type",
                               .expected = type,
                               .got = recipe::quote(text)});
}

void check_choice(const std::string& name, const Json& value, const Json& choices) {
  if (!choices.is_array() || choices.empty() || value.is_null()) return;
  for (const Json& one : value.is_array() ? value : Json::array({value})) {
    if (std::ranges::find(choices, one) != choices.end()) continue;
    std::vector<std::string> known;
    for (const Json& choice : choices) {
      known.push_back(choice.is_string() ? choice.get<std::string>() : choice.dump());
    }
    const std::string text = one.is_string() ? one.get<std::string>() : one.dump();
    throw Error(Failure::kUser, {.where = "command line",
                                 .what = "option '" + name + "' cannot be " + recipe::quote(text) +
                                         recipe::did_you_mean(text, known, "values")});
  }
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const Json& item : value) out += (out.empty() ? "" : ",") + text_of(item);
  return out;
}

}  // namespace

ScriptOptions::ScriptOptions(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const bool twice = std::ranges::any_of(given_, [&](const auto& g) { return g.first == name; });
    if (equals == std::string::npos || equals == 0 || twice) {
      throw Error(Failure::kUser, {.where = "command line",
                                   .what = twice ? "option '" + name + "' is given twice"
                                                 : recipe::quote(word) + " is no name=value",
                                   .fix = "see `trainhost bench SCRIPT.lua --help`"});
    }
    given_.emplace_back(name, word.substr(equals + 1));
  }
}

Json ScriptOptions::declare(const Json& option) {
  Declared made{option.at("name"),
                {},
                option.value("help", ""),
                at_path(option, "default"),
                at_path(option, "choices")};
  const Json type = at_path(option, "type");
  made.type = type.is_string() ? type.get<std::string>() : type_of(made.preset);
  if (made.preset.is_object() && made.preset.empty()) made.preset = Json::array();
  const bool known_type = std::ranges::find(kTypes, made.type) != kTypes.end();
  const bool twice = values_.contains(made.name) ||
                     std::ranges::any_of(
                         declared_, [&](const Declared& other) { return other.name == made.name; });
  if (twice || !known_type || !recipe::looks_like_override(made.name + "=")) {
    throw Error(Failure::kUser,
                {.what = "option " + recipe::quote(made.name) +
                         (twice         ? " is declared twice"
                          : !known_type ? " has no type that there is: " + recipe::quote(made.type)
                                        : " has no usable name")});
  }
  Json value = made.preset;
  for (const auto& [name, text] : given_) {
    if (name == made.name) value = value_from(name, text, made.type);
  }
  check_choice(made.name, value, made.choices);
  values_[made.name] = value;
  declared_.push_back(std::move(made));
  return value;
}

void ScriptOptions::check_all_known() const {
  std::vector<std::string> known;
  for (const Declared& option : declared_) known.push_back(option.name);
  for (const auto& [name, text] : given_) {
    if (std::ranges::find(known, name) != known.end()) continue;
    throw Error(Failure::kUser, {.where = "command line",
                                 .what = "the script has no option '" + recipe::cleaned(name) +
                                         "'" + recipe::did_you_mean(name, known, "options"),
                                 .fix = "see `trainhost bench SCRIPT.lua --help`"});
  }
}

std::string ScriptOptions::help() const {
  std::string out;
  for (const Declared& option : declared_) {
    out += "  " + telemetry::pad_right(option.name + "=" + option.type, 24) + "  " + option.help;
    if (!option.choices.is_null()) out += " [" + text_of(option.choices) + "]";
    if (!option.preset.is_null() && !text_of(option.preset).empty()) {
      out += " (default " + text_of(option.preset) + ")";
    }
    out += "\n";
  }
  return out;
}

}  // namespace trainhost::bench
