#include "host/bench/sweep.h"

#include <algorithm>

#include "host/recipe/text.h"

namespace trainhost::bench {
namespace {

constexpr std::size_t kMostCases = 1000;

[[noreturn]] void refuse(const Value& value, std::string what, std::string fix = {}) {
  throw Error(Failure::kUser,
              {.where = value.position.file.empty() ? std::string() : value.position.text(),
               .what = std::move(what),
               .fix = std::move(fix)});
}

/// For a table or column: "zero2 offload_optimizer=true".
std::string short_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return recipe::short_number(value.get<double>());
  if (!value.is_structured()) return value.dump();
  std::string out;
  for (const auto& [key, item] : value.items()) {
    const bool named = value.is_object() && !key.starts_with('[');
    out += (out.empty() ? "" : " ") + (named ? key + "=" : std::string()) + short_text(item);
  }
  return out;
}

/// Later words win; those of the same key keep the place of the last, since strategy=… takes the
/// options of the strategy before with it.
void add_overrides(Case& out, const Value& overrides) {
  for (std::string& word : override_words(overrides)) {
    const std::string key = word.substr(0, word.find('=') + 1);
    std::erase_if(out.overrides, [&](const std::string& old) { return old.starts_with(key); });
    out.overrides.push_back(std::move(word));
  }
}

void vary_by(std::vector<Case>& cases, const std::string& key, const Value& values) {
  const auto* list = std::get_if<List>(&values.data);
  if (list == nullptr || list->empty()) {
    refuse(values, "vary." + key + " must be a list with at least one value",
           R"(such as vary = { strategy = { "ddp", "zero2" } })");
  }
  std::vector<Case> out;
  for (const Case& before : cases) {
    for (const Value& value : *list) {
      Case& made = out.emplace_back(before);
      const std::string text = short_text(to_json(value));
      // A name says enough; a number does not.
      const bool alone = std::holds_alternative<std::string>(value.data) || key == "strategy";
      made.label += (made.label.empty() ? "" : ", ") + (alone ? text : key + " " + text);
      made.at[key] = to_json(value);
      Value pair;
      pair.position = values.position;
      pair.data = Table{{key, value}};
      add_overrides(made, pair);
      if (out.size() > kMostCases) refuse(values, "a sweep of more than 1000 cases");
    }
  }
  cases = std::move(out);
}

Case listed_case(const Case& base, const Value& given) {
  Case out = base;
  if (!std::holds_alternative<Table>(given.data)) refuse(given, "a case is a table");
  for (const auto& [key, value] : std::get<Table>(given.data)) {
    const auto* text = std::get_if<std::string>(&value.data);
    if (key == "label" && text != nullptr) {
      out.label = *text;
    } else if (key == "recipe" && text != nullptr) {
      out.recipe = *text;
    } else if (key == "overrides") {
      add_overrides(out, value);
    } else if (key == "at") {
      out.at = to_json(value);
    } else {
      refuse(value, "a case has no '" + key + "', or it has another type" +
                        recipe::did_you_mean(key, {"label", "recipe", "overrides", "at"}, "keys"));
    }
  }
  if (out.recipe.empty()) refuse(given, "a case without a recipe");
  return out;
}

}  // namespace

std::vector<Case> cases_of(const std::string& recipe, const Value& base, const Value& vary,
                           const Value& cases) {
  Case first;
  first.recipe = recipe;
  add_overrides(first, base);
  std::vector<Case> out;
  if (const auto* list = std::get_if<List>(&cases.data)) {
    for (const Value& given : *list) out.push_back(listed_case(first, given));
    if (out.size() > kMostCases) refuse(cases, "a sweep of more than 1000 cases");
  } else if (!cases.is_nil()) {
    refuse(cases, "cases must be a list of tables");
  } else {
    out.push_back(first);
  }
  if (const auto* table = std::get_if<Table>(&vary.data)) {
    for (const auto& [key, values] : *table) vary_by(out, key, values);
  } else if (!vary.is_nil()) {
    refuse(vary, "vary must be a table of lists");
  }
  for (std::size_t c = 0; c < out.size(); ++c) {
    if (out[c].recipe.empty()) refuse(vary, "a sweep without a recipe", "recipe = \"quickstart\"");
    if (out[c].label.empty()) out[c].label = "run " + std::to_string(c + 1);
  }
  return out;
}

Order order_of(const std::string& name) {
  if (name == "ABBA") return Order::kThereAndBack;
  if (name == "ABAB") return Order::kRounds;
  if (name == "AABB") return Order::kOneByOne;
  throw Error(Failure::kUser, {.what = "there is no such order",
                               .expected = "ABBA, ABAB or AABB",
                               .got = recipe::quote(name)});
}

std::vector<Turn> turns_of(std::size_t cases, std::int64_t warmup, std::int64_t repeats,
                           Order order) {
  std::vector<Turn> out;
  if (order == Order::kOneByOne) {
    for (std::size_t c = 0; c < cases; ++c) {
      for (std::int64_t i = 0; i < warmup; ++i) out.push_back({c, i + 1, true});
      for (std::int64_t i = 0; i < repeats; ++i) out.push_back({c, i + 1, false});
    }
    return out;
  }
  for (std::int64_t round = 0; round < warmup + repeats; ++round) {
    const bool warms_up = round < warmup;
    const std::int64_t repeat = warms_up ? round + 1 : round - warmup + 1;
    const bool back = order == Order::kThereAndBack && !warms_up && repeat % 2 == 0;
    for (std::size_t i = 0; i < cases; ++i) {
      out.push_back({back ? cases - 1 - i : i, repeat, warms_up});
    }
  }
  return out;
}

}  // namespace trainhost::bench
