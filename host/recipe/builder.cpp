#include "host/recipe/builder.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "host/recipe/choices.h"
#include "host/recipe/recipe_schema.h"
#include "host/recipe/text.h"

namespace trainhost::recipe {
namespace {

using plugins::Kind;
using plugins::PluginInfo;

struct KindWords {
  const char* one;
  const char* many;
};

KindWords words_of(Kind kind) {
  switch (kind) {
    case Kind::kDevice:
      return {"device", "devices"};
    case Kind::kStrategy:
      return {"strategy", "strategies"};
    default:
      return {"model", "models"};
  }
}

Value text_value(std::string text, const SourcePosition& at) {
  Value out;
  out.data = std::move(text);
  out.position = at;
  return out;
}

Value table_value(const SourcePosition& at) {
  Value out;
  out.data = Table{};
  out.position = at;
  return out;
}

std::string known_words(const std::string& name, const std::vector<std::string>& known,
                        const char* many) {
  const std::string near = nearest(name, known);
  std::string list = known.empty() ? "none" : join(known, ", ");
  list = std::string("; known ") + many + ": " + list;
  return near.empty() ? list : list + "; did you mean '" + near + "'?";
}

/// Options of one optimizer that another does not have.
const char* wrong_for(const std::string& optimizer, const std::string& key) {
  const bool sgd = optimizer == "sgd";
  if (sgd && (key == "betas" || key == "eps")) return "adam and adamw";
  if (!sgd && (key == "momentum" || key == "nesterov")) return "sgd";
  return nullptr;
}

}  // namespace

bool is_plugin_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".so");
}

Built Builder::build(Value raw, const std::vector<Override>& overrides) {
  normalize(raw);
  apply_overrides(raw, overrides, problems_);
  Value& strategy = entry(raw, "strategy");
  built_.plan.strategy.written = entry_text(strategy, kChoice);
  resolve_strategy_alias(strategy, problems_);
  name_optimizer(raw);

  take_auto_batch(raw);
  const Value checked = check_table(raw, recipe_schema(), "", problems_);
  check_name(checked);
  check_optimizer(raw, checked);
  check_devices(raw);
  const PluginInfo* model = nullptr;
  if (const Value* choice = raw.find("model")) {
    model = choose(*choice, Kind::kModel, built_.plan.model);
  }
  choose(*raw.find("strategy"), Kind::kStrategy, built_.plan.strategy);
  check_data(raw, model);
  check_recompute(checked);
  check_memory_limit(checked);
  problems_.throw_if_any(file_);

  fill(checked);
  add_objectives(checked, *model);
  return std::move(built_);
}

void Builder::normalize(Value& raw) const {
  if (std::holds_alternative<List>(raw.data)) normalize_choice(raw);
  const std::string stem = std::filesystem::path(file_).stem().string();
  if (raw.find("name") == nullptr && is_safe_name(stem)) {
    entry(raw, "name") = text_value(stem, raw.position);
  }
  if (raw.find("strategy") == nullptr) entry(raw, "strategy").data = std::string("ddp");
  if (raw.find("devices") == nullptr) entry(raw, "devices").data = std::string("auto");
  for (const char* key : {"model", "strategy", "optimizer"}) {
    if (raw.find(key) != nullptr) normalize_choice(entry(raw, key));
  }
  normalize_devices(entry(raw, "devices"));
}

/// The optimizer's name, which stands first without a key, becomes an ordinary option.
void Builder::name_optimizer(Value& raw) const {
  if (raw.find("optimizer") == nullptr) return;
  Value& optimizer = entry(raw, "optimizer");
  auto* table = std::get_if<Table>(&optimizer.data);
  if (table == nullptr) return;
  if (const Value* name = optimizer.find("name")) {
    // optimizer.name=sgd on the command line replaces what stands first.
    if (name->position.file == kCommandLine) remove_entry(optimizer, kChoice);
    return;
  }
  for (auto& [key, value] : *table) {
    if (key == kChoice) key = "name";
  }
}

void Builder::check_name(const Value& checked) {
  const Value* name = checked.find("name");
  if (name == nullptr) return;
  const std::string& text = std::get<std::string>(name->data);
  if (is_safe_name(text)) return;
  problems_.add(name->position,
                "name must be a folder name (letters, digits, '.', '_', '-', not "
                "starting with '.', at most 100), not " +
                    quote(text));
}

void Builder::check_optimizer(const Value& raw, const Value& checked) {
  const Value* given = raw.find("optimizer");
  const Value* optimizer = checked.find("optimizer");
  if (given == nullptr || optimizer == nullptr) return;
  const std::string name = entry_text(*optimizer, "name");
  if (name.empty()) return;
  for (const auto& [key, value] : std::get<Table>(given->data)) {
    if (const char* owner = wrong_for(name, key)) {
      problems_.add(value.position,
                    "optimizer." + key + " belongs to " + owner + ", not to " + name);
    }
  }
  const Options options(*optimizer, "optimizer");
  if (!options.has("lr") || !options.has("min_lr") || !options.has("warmup")) return;
  if (options.real("min_lr") > options.real("lr")) {
    problems_.add(options.position("min_lr"), "optimizer.min_lr must not exceed optimizer.lr");
  }
  const double warmup = options.real("warmup");
  if (warmup >= 1 && warmup != static_cast<double>(static_cast<std::int64_t>(warmup))) {
    problems_.add(options.position("warmup"),
                  "optimizer.warmup must be whole steps, or below 1 a fraction of all steps, not " +
                      number_text(warmup));
  }
}

const PluginInfo* Builder::find(const std::string& name, Kind kind, const SourcePosition& at) {
  const KindWords words = words_of(kind);
  const PluginInfo* info = nullptr;
  try {
    info = plugins_.find(kind, name);
  } catch (const Error& error) {
    problems_.add(at, error.what(), error.failure());
    return nullptr;
  }
  if (info == nullptr && is_plugin_path(name)) {
    problems_.add(at, std::string("no plugin file ") + quote(name), Failure::kPlugin);
  } else if (info == nullptr) {
    problems_.add(at,
                  std::string("unknown ") + words.one + " " + quote(name) +
                      known_words(name, plugins_.known(kind), words.many),
                  Failure::kPlugin);
  } else if (info->kind != kind) {
    problems_.add(at, quote(name) + " is a " + words_of(info->kind).one + ", not a " + words.one,
                  Failure::kPlugin);
    return nullptr;
  }
  return info;
}

const PluginInfo* Builder::choose(const Value& choice, Kind kind, PluginChoice& out) {
  const std::string key = words_of(kind).one;
  const std::string name = entry_text(choice, kChoice);
  if (!std::holds_alternative<Table>(choice.data)) {
    problems_.add(choice.position,
                  key + " must be an id or { id, options }, not " + value_in_words(choice));
    return nullptr;
  }
  if (name.empty()) {
    problems_.add(choice.position, key + " needs an id, as in " + key + " = { \"id\", … }");
    return nullptr;
  }
  const PluginInfo* info = find(name, kind, choice.find(kChoice)->position);
  if (info == nullptr) return nullptr;
  Value options = choice;
  remove_entry(options, kChoice);
  const Schema schema = schema_from_json(info->options_json, "plugin '" + info->id + "'");
  out.options = check_table(options, schema, key, problems_);
  out.id = info->id;
  out.file = info->file;
  if (out.written.empty()) out.written = name;
  return info;
}

void Builder::check_data(const Value& raw, const PluginInfo* model) {
  if (model == nullptr) return;
  Value data = table_value(raw.position);
  if (const Value* given = raw.find("data")) data = *given;
  if (!std::holds_alternative<Table>(data.data)) {
    problems_.add(data.position, "data must be a table, not " + value_in_words(data));
    return;
  }
  const Schema schema = schema_from_json(model->data_json, "plugin '" + model->id + "'");
  built_.plan.data = check_table(data, schema, "data", problems_);
}

void Builder::check_kind(const std::string& kind, const SourcePosition& at) {
  // These three are the host's chain, whether or not their plugins are installed.
  std::vector<std::string> known = plugins_.known(Kind::kDevice);
  for (const char* own : {"cuda", "xpu", "cpu"}) {
    if (std::find(known.begin(), known.end(), own) == known.end()) known.push_back(own);
  }
  if (std::find(known.begin(), known.end(), kind) != known.end()) return;
  if (is_plugin_path(kind)) {
    find(kind, Kind::kDevice, at);
    return;
  }
  try {
    // By the last part of its id, as any plugin.
    if (plugins_.find(Kind::kDevice, kind) != nullptr) return;
  } catch (const Error& error) {
    problems_.add(at, error.what(), error.failure());
    return;
  }
  std::sort(known.begin(), known.end());
  problems_.add(at, "unknown device " + quote(kind) + known_words(kind, known, "devices"),
                Failure::kPlugin);
}

void Builder::check_devices(const Value& raw) {
  Value given = *raw.find("devices");
  DevicesRequest& out = built_.plan.devices;
  out.position = given.position;
  auto* table = std::get_if<Table>(&given.data);
  if (table == nullptr) {
    problems_.add(given.position,
                  "devices must be \"auto\", a kind, a count, a list or a table, "
                  "not " +
                      value_in_words(given));
    return;
  }
  for (auto& [key, value] : *table) {
    if (key == kChoice) key = "kind";
  }
  const Value checked = check_table(given, devices_schema(), "devices", problems_);
  const Options options(checked, "devices");
  const std::string kind = options.has("kind") ? options.text("kind") : "auto";
  if (kind != "auto") {
    check_kind(kind, options.position("kind"));
    out.kinds.push_back(kind);
  }
  if (options.has("fallback")) {
    const std::vector<std::string> fallback = options.texts("fallback");
    if (kind == "auto" && !fallback.empty()) {
      problems_.add(options.position("fallback"), "devices.fallback needs a kind before it");
    }
    for (const std::string& next : fallback) {
      check_kind(next, options.position("fallback"));
      const bool twice = std::find(out.kinds.begin(), out.kinds.end(), next) != out.kinds.end();
      if (twice) problems_.add(options.position("fallback"), "device " + quote(next) + " twice");
      out.kinds.push_back(next);
    }
  }
  if (options.has("indices")) out.indices = options.integers("indices");
  std::vector<std::int64_t> sorted = out.indices;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    problems_.add(options.position("indices"), "devices.indices names a device twice");
  }
  if (!options.has("count")) return;
  const std::int64_t count = options.integer("count");
  if (count == 0) {
    problems_.add(options.position("count"),
                  "devices.count must be positive, or -1 for all, not 0");
  }
  const bool clash =
      !out.indices.empty() && count > 0 && count != static_cast<std::int64_t>(out.indices.size());
  if (clash) {
    problems_.add(options.position("count"), "devices.count and devices.indices disagree");
  }
  out.count = count < 0 ? 0 : count;
}

void Builder::fill(const Value& checked) {
  const Options top(checked, "");
  RunPlan& plan = built_.plan;
  plan.name = top.text("name");
  plan.recipe_file = file_;
  plan.working_dir = std::filesystem::current_path().string();
  plan.precision = top.text("precision");
  plan.numerics = top.text("numerics");

  const Options o = top.table("optimizer");
  const std::vector<double> betas = o.reals("betas");
  plan.optimizer = {.name = o.text("name"),
                    .lr = o.real("lr"),
                    .beta1 = betas[0],
                    .beta2 = betas[1],
                    .eps = o.real("eps"),
                    .weight_decay = o.real("weight_decay"),
                    .momentum = o.real("momentum"),
                    .nesterov = o.boolean("nesterov"),
                    .schedule = o.text("schedule"),
                    .warmup = o.real("warmup"),
                    .min_lr = o.real("min_lr")};

  const Options t = top.table("train");
  plan.train = {.epochs = t.integer("epochs"),
                .batch = t.integer("batch"),
                .batch_is_auto = plan.train.batch_is_auto,
                .accumulate = t.integer("accumulate"),
                .clip_norm = t.real("clip_norm"),
                .workers = t.integer("workers"),
                .seed = t.integer("seed"),
                .eval_every = t.integer("eval_every"),
                .eval_every_steps = t.integer("eval_every_steps"),
                .eval_on_start = t.boolean("eval_on_start"),
                .early_stop = t.integer("early_stop"),
                .max_steps = t.integer("max_steps"),
                .log_every = t.integer("log_every"),
                .checkpoint_every = t.integer("checkpoint_every"),
                .checkpoint_every_steps = t.integer("checkpoint_every_steps"),
                .keep_checkpoints = t.integer("keep_checkpoints"),
                .timeout = t.real("timeout"),
                .threads = t.integer("threads"),
                .recompute_every = plan.train.recompute_every,
                .recompute_units = plan.train.recompute_units,
                .on_out_of_memory = t.text("on_out_of_memory"),
                .memory_limit = plan.train.memory_limit,
                .gradient_dtype = t.text("gradient_dtype")};

  const Options s = top.table("scaling");
  plan.scaling.base_batch =
      static_cast<double>(s.has("base_batch") ? s.integer("base_batch") : plan.train.batch);
  plan.scaling.batch_rule = s.text("batch");
  plan.scaling.lr_rule = s.text("lr");
}

void Builder::add_objectives(const Value& checked, const PluginInfo& model) {
  std::vector<PluginInfo::Objective> declared = model.objectives;
  if (declared.empty()) declared.push_back({.name = "main", .batch_option = "", .lr_option = ""});
  const Options top(checked, "");
  const Options options(built_.plan.model.options, "model");
  for (const PluginInfo::Objective& objective : declared) {
    ObjectiveBase base;
    base.name = objective.name;
    base.batch = built_.plan.train.batch * objective.batch_factor;
    base.batch_at = top.table("train").position("batch");
    base.lr = built_.plan.optimizer.lr;
    base.lr_at = top.table("optimizer").position("lr");
    if (!objective.batch_option.empty() && options.has(objective.batch_option)) {
      base.batch = options.integer(objective.batch_option);
      base.batch_at = options.position(objective.batch_option);
      base.batch_key = options.full(objective.batch_option);
    }
    if (!objective.lr_option.empty() && options.has(objective.lr_option)) {
      base.lr = options.real(objective.lr_option);
      base.lr_at = options.position(objective.lr_option);
    }
    if (base.batch < 1) {
      problems_.add(base.batch_at, "the batch of " + base.name + " must be at least 1, not " +
                                       std::to_string(base.batch));
    }
    built_.objectives.push_back(std::move(base));
  }
  problems_.throw_if_any(file_);
}

}  // namespace trainhost::recipe
