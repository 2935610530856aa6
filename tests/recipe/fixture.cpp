#include "fixture.h"

namespace trainhost::recipe::test {
namespace {

using plugins::Kind;
using plugins::PluginInfo;

constexpr const char* kKgatOptions = R"([
  {"name": "embed_dim", "type": "int", "default": 64, "min": 1, "max": 65536, "help": "columns"},
  {"name": "layer_dims", "type": "list<int>", "default": [64, 32, 16], "min": 1, "max_items": 16},
  {"name": "aggregator", "type": "string", "default": "bi", "one_of": ["bi", "gcn", "graphsage"]},
  {"name": "dropout", "type": "number", "default": 0.1, "min": 0, "exclusive_max": 1},
  {"name": "kg_batch", "type": "int", "optional": true, "min": 1},
  {"name": "kg_lr", "type": "number", "optional": true, "exclusive_min": 0},
  {"name": "pretrain", "type": "table", "options": [
    {"name": "epochs", "type": "int", "default": 0, "min": 0},
    {"name": "lr", "type": "number", "default": 0.001, "exclusive_min": 0}]},
  {"name": "stop_on_test", "type": "bool", "default": false}])";

constexpr const char* kKgatData = R"([
  {"name": "dir", "type": "path", "optional": true},
  {"name": "synthetic", "type": "table", "optional": true, "options": [
    {"name": "users", "type": "int", "min": 1}, {"name": "items", "type": "int", "min": 1},
    {"name": "entities", "type": "int", "min": 1}, {"name": "relations", "type": "int", "min": 1},
    {"name": "triples", "type": "int", "min": 1},
    {"name": "interactions", "type": "int", "min": 1}, {"name": "seed", "type": "int"}]}])";

PluginInfo made(const char* id, Kind kind, const char* options = "[]") {
  PluginInfo info;
  info.id = id;
  info.kind = kind;
  info.file = std::string("/plugins/") + id + ".so";
  info.options_json = options;
  return info;
}

std::vector<PluginInfo> make_plugins() {
  std::vector<PluginInfo> all;
  PluginInfo kgat = made("kgat", Kind::kModel, kKgatOptions);
  kgat.data_json = kKgatData;
  kgat.objectives = {{"cf", "", "", 1}, {"kg", "kg_batch", "kg_lr", 2}};
  all.push_back(kgat);
  PluginInfo toy = made("toy", Kind::kModel);
  toy.objectives = {{"main", "", "", 1}};
  all.push_back(toy);
  all.push_back(made("ddp", Kind::kStrategy, R"([
    {"name": "bucket_mb", "type": "number", "default": 25, "exclusive_min": 0}])"));
  all.push_back(made("single", Kind::kStrategy));
  all.push_back(made("zero2", Kind::kStrategy, R"([
    {"name": "offload_optimizer", "type": "bool", "default": false}])"));
  all.push_back(made("zero3", Kind::kStrategy, R"([
    {"name": "offload_optimizer", "type": "bool", "default": false},
    {"name": "offload_parameters", "type": "bool", "default": false}])"));
  all.push_back(made("cpu", Kind::kDevice));
  return all;
}

const PluginInfo* find(Kind kind, const std::string& name) {
  if (name == "./refused.so") {
    throw Error(Failure::kPlugin, {.where = name, .what = "has no plugin note"});
  }
  if (name == "./model.so") return &paper_plugin_list().front();
  for (const PluginInfo& info : paper_plugin_list()) {
    if (info.kind == kind && info.id == name) return &info;
  }
  return nullptr;
}

std::vector<std::string> known(Kind kind) {
  std::vector<std::string> ids;
  for (const PluginInfo& info : paper_plugin_list()) {
    if (info.kind == kind) ids.push_back(info.id);
  }
  return ids;
}

}  // namespace

const std::vector<PluginInfo>& paper_plugin_list() {
  static const std::vector<PluginInfo> all = make_plugins();
  return all;
}

PluginLookup paper_plugins() { return {find, known}; }

std::string recipe_text(const std::string& extra) {
  return R"(local scale = require "trainhost.scale"
return {
  name = "run",
  model = { "kgat", embed_dim = 32 },
  data = { dir = "data/x" },
  optimizer = { "adam", lr = 1e-3 },
  train = { epochs = 3, batch = 2048 },
)" + extra +
         "\n}\n";
}

Recipe load(const std::string& source, const std::vector<std::string>& overrides) {
  return Recipe::from_source(source, "r.lua", overrides, paper_plugins());
}

Refusal refusal(const std::string& source, const std::vector<std::string>& overrides) {
  try {
    load(source, overrides);
  } catch (const Error& error) {
    return {error.what(), error.failure()};
  }
  FAIL("the recipe was accepted");
  return {"", Failure::kRun};
}

}  // namespace trainhost::recipe::test
