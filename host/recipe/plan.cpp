#include "host/recipe/plan.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>

#include "host/recipe/value_json.h"

namespace trainhost::recipe {
namespace {

constexpr std::int64_t kPlanVersion = 1;
constexpr std::int64_t kMaxInt = std::int64_t{1} << 53;  // exact in every JSON reader
constexpr double kMaxReal = std::numeric_limits<double>::max();

using Choices = std::initializer_list<const char*>;

/// Writes the fields that `visit` names, in its order.
class PlanWriter {
 public:
  void text(const char* key, const std::string& value, Choices = {}) { json_[key] = value; }
  void flag(const char* key, bool value) { json_[key] = value; }
  void integer(const char* key, std::int64_t value, std::int64_t, std::int64_t) {
    json_[key] = value;
  }
  void real(const char* key, double value, double, double) {
    if (!std::isfinite(value)) {
      throw Error(Failure::kUser, {.what = std::string(key) + " of the plan is not finite"});
    }
    json_[key] = value;
  }
  void texts(const char* key, const std::vector<std::string>& value) { json_[key] = value; }
  void integers(const char* key, const std::vector<std::int64_t>& value) { json_[key] = value; }
  void options(const char* key, const Value& value) {
    json_[key] = value_to_json(value);
    json_[std::string(key) + "_at"] = positions_to_json(value);
  }
  void position(const char* key, const SourcePosition& value) {
    Value bare;
    bare.position = value;
    json_[key] = positions_to_json(bare);
  }
  template <class Part>
  void part(const char* key, const Part& value) {
    PlanWriter below;
    visit(below, value);
    json_[key] = std::move(below.json_);
  }
  template <class Part>
  void parts(const char* key, const std::vector<Part>& values) {
    json_[key] = Json::array();
    for (const Part& value : values) {
      PlanWriter below;
      visit(below, value);
      json_[key].push_back(std::move(below.json_));
    }
  }
  const Json& json() const { return json_; }

 private:
  Json json_ = Json::object();
};

/// Reads the fields that `visit` names and refuses everything else.
class PlanReader {
 public:
  PlanReader(const Json& json, std::string file, std::string path)
      : json_(json), file_(std::move(file)), path_(std::move(path)) {
    if (!json.is_object()) fail("is no object");
  }

  void text(const char* key, std::string& value, Choices choices = {}) {
    const Json& field = take(key);
    if (!field.is_string()) fail(key, "is no text");
    value = field.get<std::string>();
    if (choices.size() == 0) return;
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
      fail(key, "has the unknown value '" + value + "'");
    }
  }
  void flag(const char* key, bool& value) {
    const Json& field = take(key);
    if (!field.is_boolean()) fail(key, "is neither true nor false");
    value = field.get<bool>();
  }
  void integer(const char* key, std::int64_t& value, std::int64_t low, std::int64_t high) {
    value = whole(take(key), key);
    if (value < low || value > high) {
      fail(key, "is " + std::to_string(value) + ", outside " + std::to_string(low) + " to " +
                    std::to_string(high));
    }
  }
  void real(const char* key, double& value, double low, double high) {
    const Json& field = take(key);
    if (!field.is_number()) fail(key, "is no number");
    value = field.get<double>();
    if (!std::isfinite(value) || value < low || value > high) fail(key, "is out of range");
  }
  void texts(const char* key, std::vector<std::string>& value) {
    for (const Json& item : array(key)) {
      if (!item.is_string()) fail(key, "holds something that is no text");
      value.push_back(item.get<std::string>());
    }
  }
  void integers(const char* key, std::vector<std::int64_t>& value) {
    for (const Json& item : array(key)) value.push_back(whole(item, key));
  }
  void options(const char* key, Value& value) {
    const Json& field = take(key);
    const Json& places = take(std::string(key) + "_at");
    if (!field.is_object()) fail(key, "is no object");
    value = value_from_json(field, places, file_, full(key));
  }
  void position(const char* key, SourcePosition& value) {
    value = value_from_json(nullptr, take(key), file_, full(key)).position;
  }
  template <class Part>
  void part(const char* key, Part& value) {
    PlanReader below(take(key), file_, full(key));
    visit(below, value);
    below.finish();
  }
  template <class Part>
  void parts(const char* key, std::vector<Part>& values) {
    for (const Json& item : array(key)) {
      PlanReader below(item, file_, full(key) + "[" + std::to_string(values.size()) + "]");
      visit(below, values.emplace_back());
      below.finish();
    }
  }

  /// Refuses keys that nothing asked for.
  void finish() const {
    for (const auto& [key, unused] : json_.items()) {
      if (std::find(taken_.begin(), taken_.end(), key) == taken_.end()) {
        fail(key, "is unknown");
      }
    }
  }

 private:
  const Json& take(const std::string& key) {
    const auto found = json_.find(key);
    if (found == json_.end()) fail(key, "is missing");
    taken_.push_back(key);
    return *found;
  }
  const Json& array(const char* key) {
    const Json& field = take(key);
    if (!field.is_array()) fail(key, "is no list");
    return field;
  }
  std::int64_t whole(const Json& field, const char* key) const {
    const bool small = field.is_number_integer() &&
                       (!field.is_number_unsigned() ||
                        field.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX));
    if (!small) fail(key, "is no integer");
    return field.get<std::int64_t>();
  }
  std::string full(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw Error(Failure::kUser, {.where = file_,
                                 .what = "'" + full(key) + "' " + what,
                                 .fix = "a plan is written by trainhost; start the run again"});
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(
        Failure::kUser,
        {.where = file_, .what = (path_.empty() ? "the plan" : "'" + path_ + "'") + (" " + what)});
  }

  const Json& json_;
  std::string file_, path_;
  std::vector<std::string> taken_;
};

// One description of each part serves writing and reading; `Part` is const or not.
template <class T, class Plain>
concept Is = std::is_same_v<std::remove_const_t<T>, Plain>;

template <class Visitor, Is<PluginChoice> Part>
void visit(Visitor& v, Part& p) {
  v.text("id", p.id);
  v.text("written", p.written);
  v.text("file", p.file);
  v.options("options", p.options);
}

template <class Visitor, Is<DevicesRequest> Part>
void visit(Visitor& v, Part& p) {
  v.texts("kinds", p.kinds);
  v.integer("count", p.count, 0, kMaxInt);
  v.integers("indices", p.indices);
  v.position("at", p.position);
}

template <class Visitor, Is<OptimizerPlan> Part>
void visit(Visitor& v, Part& p) {
  v.text("name", p.name, {"adam", "adamw", "sgd"});
  v.real("lr", p.lr, 0, kMaxReal);
  v.real("beta1", p.beta1, 0, 1);
  v.real("beta2", p.beta2, 0, 1);
  v.real("eps", p.eps, 0, kMaxReal);
  v.real("weight_decay", p.weight_decay, 0, kMaxReal);
  v.real("momentum", p.momentum, 0, 1);
  v.flag("nesterov", p.nesterov);
  v.text("schedule", p.schedule, {"constant", "linear", "cosine"});
  v.real("warmup", p.warmup, 0, kMaxReal);
  v.real("min_lr", p.min_lr, 0, kMaxReal);
}

template <class Visitor, Is<TrainPlan> Part>
void visit(Visitor& v, Part& p) {
  v.integer("epochs", p.epochs, 1, kMaxInt);
  v.integer("batch", p.batch, 1, kMaxInt);
  v.integer("accumulate", p.accumulate, 1, kMaxInt);
  v.real("clip_norm", p.clip_norm, 0, kMaxReal);
  v.integer("workers", p.workers, 0, kMaxInt);
  v.integer("seed", p.seed, 0, kMaxInt);
  v.integer("eval_every", p.eval_every, 0, kMaxInt);
  v.integer("eval_every_steps", p.eval_every_steps, 0, kMaxInt);
  v.flag("eval_on_start", p.eval_on_start);
  v.integer("early_stop", p.early_stop, 0, kMaxInt);
  v.integer("max_steps", p.max_steps, 0, kMaxInt);
  v.integer("log_every", p.log_every, 1, kMaxInt);
  v.integer("checkpoint_every", p.checkpoint_every, 0, kMaxInt);
  v.integer("checkpoint_every_steps", p.checkpoint_every_steps, 0, kMaxInt);
  v.integer("keep_checkpoints", p.keep_checkpoints, 1, kMaxInt);
  v.real("timeout", p.timeout, 0, kMaxReal);
  v.integer("threads", p.threads, 0, kMaxInt);
  v.integer("recompute_every", p.recompute_every, 0, kMaxInt);
  v.texts("recompute_units", p.recompute_units);
  v.text("on_out_of_memory", p.on_out_of_memory, {"halve", "fail"});
  v.integer("memory_limit", p.memory_limit, 0, kMaxMebibytes);
  v.text("gradient_dtype", p.gradient_dtype, {"fp32", "bf16", "fp16"});
}

template <class Visitor, Is<ScalingPlan> Part>
void visit(Visitor& v, Part& p) {
  v.real("base_batch", p.base_batch, 0, kMaxReal);
  v.text("batch_rule", p.batch_rule, {"per_rank", "global", "function"});
  v.text("lr_rule", p.lr_rule, {"linear", "sqrt", "none", "function"});
}

template <class Visitor, Is<ObjectivePlan> Part>
void visit(Visitor& v, Part& p) {
  v.text("name", p.name);
  v.integer("written_batch", p.written_batch, 1, kMaxInt);
  v.integer("batch_per_rank", p.batch_per_rank, 1, kMaxInt);
  v.integer("effective_batch", p.effective_batch, 1, kMaxInt);
  v.real("base_batch", p.base_batch, 0, kMaxReal);
  v.real("base_lr", p.base_lr, 0, kMaxReal);
  v.real("lr", p.lr, 0, kMaxReal);
  v.text("lr_note", p.lr_note);
}

template <class Visitor, Is<RunPlan> Part>
void visit(Visitor& v, Part& p) {
  v.text("name", p.name);
  v.text("recipe_file", p.recipe_file);
  v.text("working_dir", p.working_dir);
  v.part("model", p.model);
  v.part("strategy", p.strategy);
  v.options("data", p.data);
  v.part("devices", p.devices);
  v.text("precision", p.precision, {"fp32", "bf16", "fp16"});
  v.text("numerics", p.numerics, {"fast", "exact"});
  v.part("optimizer", p.optimizer);
  v.part("train", p.train);
  v.part("scaling", p.scaling);
  v.integer("ranks", p.ranks, 1, kMaxInt);
  v.integer("nodes", p.nodes, 1, kMaxInt);
  v.parts("objectives", p.objectives);
  v.text("device_kind", p.device_kind);
  v.text("device_file", p.device_file);
  v.text("device_note", p.device_note);
  v.text("precision_note", p.precision_note);
}

}  // namespace

bool is_safe_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::string plan_to_json(const RunPlan& plan) {
  PlanWriter writer;
  writer.integer("plan_version", kPlanVersion, 0, 0);
  visit(writer, plan);
  return dump_json(writer.json()) + "\n";
}

RunPlan plan_from_json(std::string_view text, const std::string& file) {
  const Json json = parse_json(text, file);
  PlanReader reader(json, file, "");
  std::int64_t version = 0;
  reader.integer("plan_version", version, kPlanVersion, kPlanVersion);
  RunPlan plan;
  visit(reader, plan);
  reader.finish();
  if (!is_safe_name(plan.name)) {
    throw Error(Failure::kUser, {.where = file, .what = "'name' is no safe folder name"});
  }
  return plan;
}

}  // namespace trainhost::recipe
