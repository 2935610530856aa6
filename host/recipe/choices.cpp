#include "host/recipe/choices.h"

#include <algorithm>
#include <array>

#include "host/recipe/deepspeed.h"
#include "host/recipe/schema.h"

namespace trainhost::recipe {
namespace {

struct Alias {
  const char* name;
  const char* id;
  bool offload_optimizer = false;
  bool offload_parameters = false;
};

constexpr std::array<Alias, 8> kAliases{{
    {"ddp_spawn", "ddp"},
    {"fsdp", "zero3"},
    {"deepspeed_stage_1", "zero1"},
    {"deepspeed_stage_2", "zero2"},
    {"deepspeed_stage_3", "zero3"},
    {"deepspeed_stage_1_offload", "zero1", true},
    {"deepspeed_stage_2_offload", "zero2", true},
    {"deepspeed_stage_3_offload", "zero3", true, true},
}};

constexpr const char* kDeepSpeed = "deepspeed";

const Alias* find_alias(const std::string& name) {
  const auto* found = std::find_if(kAliases.begin(), kAliases.end(),
                                   [&](const Alias& alias) { return name == alias.name; });
  return found == kAliases.end() ? nullptr : found;
}

template <class Data>
Value made(Data data, const SourcePosition& position) {
  Value out;
  out.data = std::move(data);
  out.position = position;
  return out;
}

/// A list becomes a table with its items under "[1]", "[2]", …
void list_to_table(Value& value) {
  auto* list = std::get_if<List>(&value.data);
  if (list == nullptr) return;
  Table table;
  for (std::size_t i = 0; i < list->size(); ++i) {
    table.emplace_back(positional_key(i + 1), std::move((*list)[i]));
  }
  value.data = std::move(table);
}

bool all_numbers(const List& list) {
  return std::all_of(list.begin(), list.end(), [](const Value& item) {
    return std::holds_alternative<std::int64_t>(item.data) ||
           std::holds_alternative<double>(item.data);
  });
}

/// { 0, 2, fallback = … }: positional numbers of a table with keys are indices too.
void positional_indices(Value& devices) {
  auto& table = std::get<Table>(devices.data);
  const Value* first = devices.find(kChoice);
  if (first == nullptr || !std::holds_alternative<std::int64_t>(first->data)) return;
  List indices;
  Table rest;
  for (auto& [key, value] : table) {
    if (key.starts_with('[')) {
      indices.push_back(std::move(value));
    } else {
      rest.emplace_back(key, std::move(value));
    }
  }
  rest.emplace_back("indices", made(std::move(indices), devices.position));
  table = std::move(rest);
}

void set_option(Value& strategy, const char* key, bool on) {
  if (on && strategy.find(key) == nullptr) {
    const SourcePosition position = strategy.position;
    entry(strategy, key) = made(true, position);
  }
}

void set_id(Value& strategy, std::string id) { entry(strategy, kChoice).data = std::move(id); }

void resolve_deepspeed(Value& strategy, Problems& problems) {
  Value config = made(Table{}, strategy.position);
  if (const Value* given = strategy.find("config")) config = *given;
  remove_entry(strategy, "config");
  const DeepSpeedChoice choice = read_deepspeed(config, problems);
  set_id(strategy, choice.id);
  set_option(strategy, "offload_optimizer", choice.offload_optimizer);
  // Of other stages a mistake, which has been reported.
  if (choice.id == "zero3") set_option(strategy, "offload_parameters", choice.offload_parameters);
}

}  // namespace

void normalize_choice(Value& value) {
  if (std::holds_alternative<std::string>(value.data)) {
    Value name = value;
    Table table;
    table.emplace_back(kChoice, std::move(name));
    value.data = std::move(table);
  }
  list_to_table(value);
}

void normalize_devices(Value& value) {
  const SourcePosition at = value.position;
  Table table;
  if (auto* list = std::get_if<List>(&value.data); list != nullptr && all_numbers(*list)) {
    table.emplace_back("indices", made(std::move(*list), at));
    value.data = std::move(table);
  } else if (std::holds_alternative<std::int64_t>(value.data) ||
             std::holds_alternative<double>(value.data)) {
    table.emplace_back("count", value);
    value.data = std::move(table);
  } else {
    normalize_choice(value);
  }
  if (!std::holds_alternative<Table>(value.data)) return;
  positional_indices(value);
  for (auto& [key, child] : std::get<Table>(value.data)) {
    if (key == "fallback" && std::holds_alternative<std::string>(child.data)) {
      child.data = List{made(std::get<std::string>(child.data), child.position)};
    }
  }
}

Value& entry(Value& value, const std::string& key) {
  auto& table = std::get<Table>(value.data);
  for (auto& [name, child] : table) {
    if (name == key) return child;
  }
  Value fresh;
  fresh.position = value.position;
  return table.emplace_back(key, std::move(fresh)).second;
}

void remove_entry(Value& value, const std::string& key) {
  auto& table = std::get<Table>(value.data);
  std::erase_if(table, [&](const auto& item) { return item.first == key; });
}

std::string entry_text(const Value& value, const std::string& key) {
  const Value* found = value.find(key);
  const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(&found->data);
  return text == nullptr ? "" : *text;
}

void resolve_strategy_alias(Value& strategy, Problems& problems) {
  if (!std::holds_alternative<Table>(strategy.data)) return;
  const std::string name = entry_text(strategy, kChoice);
  if (name == kDeepSpeed) {
    resolve_deepspeed(strategy, problems);
    return;
  }
  const Alias* alias = find_alias(name);
  if (alias == nullptr) return;
  set_id(strategy, alias->id);
  set_option(strategy, "offload_optimizer", alias->offload_optimizer);
  set_option(strategy, "offload_parameters", alias->offload_parameters);
}

std::string strategy_id(const std::string& name) {
  const Alias* alias = find_alias(name);
  return alias == nullptr ? name : alias->id;
}

}  // namespace trainhost::recipe
