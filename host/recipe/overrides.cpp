#include "host/recipe/overrides.h"

#include <algorithm>

#include "host/recipe/choices.h"
#include "host/recipe/literal.h"
#include "host/recipe/schema.h"
#include "host/recipe/text.h"

namespace trainhost::recipe {
namespace {

constexpr std::size_t kDeepest = 8;

SourcePosition command_line() { return {kCommandLine, 0}; }

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// "a.b" → {"a", "b"}; empty when it is no dotted name.
std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> keys(1);
  for (const char c : path) {
    if (c == '.') {
      keys.emplace_back();
    } else if (is_key_char(c)) {
      keys.back() += c;
    } else {
      return {};
    }
  }
  const bool whole =
      std::none_of(keys.begin(), keys.end(), [](const std::string& key) { return key.empty(); });
  return whole ? keys : std::vector<std::string>{};
}

bool is_choice(const std::string& key) {
  return key == "model" || key == "strategy" || key == "optimizer";
}

/// Keeps of an optimizer's table what every optimizer has.
void keep_common(Value& optimizer) {
  auto& table = std::get<Table>(optimizer.data);
  std::erase_if(table, [](const auto& item) {
    const std::string& key = item.first;
    return key != "lr" && key != "weight_decay" && key != "schedule" && key != "warmup" &&
           key != "min_lr";
  });
}

/// model=NAME, strategy=NAME, optimizer=NAME: options stay only where the choice does.
void override_choice(Value& recipe, const std::string& key, Value value) {
  Value* old = &entry(recipe, key);
  const auto* name = std::get_if<std::string>(&value.data);
  if (name == nullptr || !std::holds_alternative<Table>(old->data)) {
    normalize_choice(value);
    *old = std::move(value);
    return;
  }
  const std::string before = entry_text(*old, kChoice);
  const bool same = key == "strategy" ? strategy_id(before) == strategy_id(*name) : before == *name;
  if (!same && key == "optimizer") {
    keep_common(*old);
  } else if (!same) {
    old->data = Table{};
    old->position = value.position;
  }
  remove_entry(*old, kChoice);
  auto& table = std::get<Table>(old->data);
  table.insert(table.begin(), {kChoice, std::move(value)});
}

/// devices=2 changes how many, devices=cpu which kind.
void override_devices(Value& recipe, Value value) {
  Value& old = entry(recipe, "devices");
  normalize_devices(value);
  const bool whole = value.find(kChoice) != nullptr || value.find("fallback") != nullptr ||
                     !std::holds_alternative<Table>(value.data) ||
                     !std::holds_alternative<Table>(old.data);
  if (whole) {
    old = std::move(value);
    return;
  }
  remove_entry(old, "count");
  remove_entry(old, "indices");
  for (auto& [key, child] : std::get<Table>(value.data)) {
    entry(old, key) = child;
    old.position = child.position;
  }
}

void set(Value& recipe, const Override& change, Problems& problems) {
  Value* target = &recipe;
  std::string path;
  for (std::size_t i = 0; i + 1 < change.keys.size(); ++i) {
    const std::string& key = change.keys[i];
    path += (i == 0 ? "" : ".") + key;
    const bool fresh = target->find(key) == nullptr;
    Value& child = entry(*target, key);
    auto* list = std::get_if<List>(&child.data);
    const bool empty = child.is_nil() || (list != nullptr && list->empty());
    if (fresh || empty) {
      child.data = Table{};
      child.position = change.value.position;
    }
    if (!std::holds_alternative<Table>(child.data)) {
      problems.add(change.value.position, path + " is " + value_in_words(child) +
                                              ", so it has no key " + quote(change.keys[i + 1]));
      return;
    }
    target = &child;
  }
  if (change.value.is_nil()) {
    remove_entry(*target, change.keys.back());
  } else {
    entry(*target, change.keys.back()) = change.value;
  }
}

}  // namespace

bool looks_like_override(std::string_view argument) {
  const std::size_t equals = argument.find('=');
  return equals != std::string_view::npos && !split_path(argument.substr(0, equals)).empty();
}

Override parse_override(std::string_view argument) {
  const std::size_t equals = argument.find('=');
  const auto fail = [&](std::string what) {
    throw Error(Failure::kUser, {.where = command_line().text(),
                                 .what = std::move(what),
                                 .fix = "write key=value, such as train.epochs=3 or devices=2"});
  };
  if (equals == std::string_view::npos) {
    fail(cleaned(quote(argument)) + " is neither an option nor key=value");
  }
  const std::string_view path = argument.substr(0, equals);
  std::vector<std::string> keys = split_path(path);
  if (keys.empty() || keys.size() > kDeepest) {
    fail(cleaned(quote(path)) + " is no key of a recipe");
  }
  return {std::move(keys), parse_literal(argument.substr(equals + 1), command_line())};
}

void apply_overrides(Value& recipe, const std::vector<Override>& overrides, Problems& problems) {
  for (const Override& change : overrides) {
    const std::string& key = change.keys.front();
    const bool alone = change.keys.size() == 1 && !change.value.is_nil();
    if (alone && is_choice(key)) {
      override_choice(recipe, key, change.value);
    } else if (alone && key == "devices") {
      override_devices(recipe, change.value);
    } else {
      set(recipe, change, problems);
    }
  }
}

}  // namespace trainhost::recipe
