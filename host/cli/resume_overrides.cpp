#include "host/cli/resume_overrides.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/recipe/choices.h"
#include "host/recipe/overrides.h"
#include "host/recipe/schema.h"
#include "host/recipe/text.h"
#include "host/recipe/value_json.h"

namespace trainhost::cli {
namespace {

using recipe::Json;

const std::vector<std::string> kChangeable = {"train.epochs",
                                              "train.eval_every",
                                              "train.eval_every_steps",
                                              "train.early_stop",
                                              "train.max_steps",
                                              "train.log_every",
                                              "train.timeout",
                                              "train.checkpoint_every",
                                              "train.checkpoint_every_steps",
                                              "train.keep_checkpoints",
                                              "train.workers",
                                              "train.threads",
                                              "train.on_out_of_memory",
                                              "train.memory_limit",
                                              "data.…",
                                              "model.dir",
                                              "devices",
                                              "strategy"};

[[noreturn]] void refuse(const std::string& what, const std::string& fix) {
  throw Error(Failure::kUser, {.where = "command line", .what = what, .fix = fix});
}

std::string dotted(const std::vector<std::string>& keys) { return recipe::join(keys, "."); }

bool changeable(const recipe::Override& change) {
  if (change.keys.front() == "data" && change.keys.size() > 1) return true;
  return std::ranges::find(kChangeable, dotted(change.keys)) != kChangeable.end();
}

// A whole number serves where the plan has a real; nothing else changes its kind.
bool same_kind(const Json& before, const Json& after) {
  if (before.is_number_float()) return after.is_number();
  if (before.is_number_integer()) return after.is_number_integer();
  return before.type() == after.type();
}

void change_value(Json& plan, const recipe::Override& change) {
  Json* place = &plan;
  for (const std::string& key : change.keys) {
    if (!place->is_object() || !place->contains(key)) {
      refuse("the run has no '" + dotted(change.keys) + "'", "see its plan.json");
    }
    place = &(*place)[key];
  }
  const Json value = recipe::value_to_json(change.value);
  if (!same_kind(*place, value)) {
    refuse("'" + dotted(change.keys) + "' has another type: " + value.dump(),
           "give a value like the one in its plan.json: " + place->dump());
  }
  *place = value;
}

std::int64_t index_of(const Value& value) {
  const auto* whole = std::get_if<std::int64_t>(&value.data);
  if (whole == nullptr || *whole < 0) {
    refuse("devices does not fit", "devices=2, devices=-1, devices=[0,1] or devices=cpu");
  }
  return *whole;
}

void set_devices(recipe::DevicesRequest& devices, const Value& value) {
  if (const auto* kind = std::get_if<std::string>(&value.data)) {
    devices = {.kinds = {}, .count = 0, .indices = {}, .position = value.position};
    if (*kind != "auto") devices.kinds.push_back(*kind);
    return;
  }
  devices.indices.clear();
  devices.count = 0;
  if (const auto* list = std::get_if<List>(&value.data)) {
    for (const Value& item : *list) devices.indices.push_back(index_of(item));
    return;
  }
  const auto* whole = std::get_if<std::int64_t>(&value.data);
  if (whole != nullptr && *whole == -1) return;
  devices.count = index_of(value);
  if (devices.count == 0) refuse("devices=0 leaves nothing to train on", "devices=-1 takes all");
}

}  // namespace

recipe::RunPlan apply_resume_overrides(const recipe::RunPlan& plan,
                                       const std::vector<std::string>& overrides) {
  if (overrides.empty()) return plan;
  Json json = recipe::parse_json(recipe::plan_to_json(plan), "plan.json");
  std::vector<recipe::Override> devices;
  for (const std::string& text : overrides) {
    recipe::Override change = recipe::parse_override(text);
    if (!changeable(change)) {
      refuse(
          "a resume cannot change '" + dotted(change.keys) + "'",
          "what can change: " + recipe::join(kChangeable, ", ") + "; for the rest start a new run");
    }
    if (change.keys.front() == "devices") {
      devices.push_back(std::move(change));
    } else if (change.keys.front() != "strategy") {
      change_value(json, change);
    }
  }
  recipe::RunPlan out = recipe::plan_from_json(recipe::dump_json(json), "command line");
  for (const recipe::Override& change : devices) set_devices(out.devices, change.value);
  return out;
}

void change_strategy(recipe::RunPlan& plan, const std::vector<std::string>& overrides,
                     plugins::Catalog& catalog) {
  recipe::Problems problems;
  for (const std::string& text : overrides) {
    recipe::Override change = recipe::parse_override(text);
    if (change.keys.front() != "strategy") continue;
    recipe::normalize_choice(change.value);
    recipe::resolve_strategy_alias(change.value, problems);
    const std::string name = recipe::entry_text(change.value, recipe::kChoice);
    const plugins::PluginInfo* info = catalog.find(plugins::Kind::kStrategy, name);
    if (info == nullptr) {
      refuse(
          "unknown strategy '" + name + "'",
          "known strategies: " + recipe::join(catalog.known_ids(plugins::Kind::kStrategy), ", "));
    }
    recipe::remove_entry(change.value, recipe::kChoice);
    const auto schema = recipe::schema_from_json(info->options_json, "plugin '" + info->id + "'");
    plan.strategy = {info->id, name, info->file,
                     recipe::check_table(change.value, schema, "strategy", problems)};
  }
  problems.throw_if_any(recipe::kCommandLine);
}

void rescale(recipe::RunPlan& plan, const recipe::World& world) {
  const auto no_function = [&](const std::string& path, double,
                               const recipe::RuleArguments&) -> double {
    refuse(path + " is a Lua function, which a resume on another number of ranks cannot evaluate",
           "resume on " + std::to_string(plan.ranks) + " ranks, or start a new run");
  };
  for (recipe::ObjectivePlan& objective : plan.objectives) {
    const recipe::ObjectiveBase base{.name = objective.name,
                                     .batch = objective.written_batch,
                                     .lr = objective.base_lr,
                                     .batch_at = {"plan.json", 0},
                                     .lr_at = {"plan.json", 0}};
    objective = recipe::scale_objective(base, plan, world, no_function);
  }
  plan.ranks = world.ranks;
  plan.nodes = world.nodes;
}

}  // namespace trainhost::cli
