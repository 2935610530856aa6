#include "host/recipe/lua_meta.h"

#include <algorithm>

#include "host/recipe/recipe_schema.h"
#include "host/recipe/text.h"

namespace trainhost::recipe {
namespace {

std::string lua_type_of(const Option& option, const std::string& class_name) {
  switch (option.type) {
    case OptionType::kBool:
      return "boolean";
    case OptionType::kInt:
      return "integer";
    case OptionType::kNumber:
      return "number";
    case OptionType::kIntList:
      return "integer[]";
    case OptionType::kNumberList:
      return "number[]";
    case OptionType::kStringList:
      return "string[]";
    case OptionType::kTable:
      return class_name + "." + option.name;
    case OptionType::kTableList:
      return class_name + "." + option.name + "[]";
    case OptionType::kAny:
      return "any";
    default:
      break;
  }
  std::vector<std::string> choices;
  for (const std::string& choice : option.one_of) {
    choices.push_back(choice == "function" ? "trainhost.Rule" : "\"" + choice + "\"");
  }
  return choices.empty() ? "string" : join(choices, "|");
}

void add_class(const std::string& name, const Schema& schema, std::string& out) {
  for (const Option& option : schema) {
    if (option.type == OptionType::kTable || option.type == OptionType::kTableList) {
      add_class(name + "." + option.name, option.options, out);
    }
  }
  out += "---@class " + name + "\n";
  for (const Option& option : schema) {
    const bool required = !option.optional && !option.preset && option.type != OptionType::kTable;
    out += "---@field " + option.name + (required ? " " : "? ") + lua_type_of(option, name);
    if (!option.help.empty()) out += " # " + option.help;
    out += "\n";
  }
  out += "\n";
}

/// A rule may also be a function; the schema knows its name only.
void add_scale_module(std::string& out) {
  out +=
      "---@class trainhost.World\n"
      "---@field ranks integer\n"
      "---@field nodes integer\n"
      "---@field cpus integer\n"
      "---@field device string\n"
      "---@field base_batch number\n"
      "---@field effective_batch? integer # absent for scaling.batch\n\n"
      "---@alias trainhost.Rule fun(base: number, world: trainhost.World): number\n\n"
      "---@class trainhost.scale\n";
  for (const char* rule : {"per_rank", "global", "linear", "sqrt", "none"}) {
    out += std::string("---@field ") + rule + " trainhost.Rule\n";
  }
  out += "\n";
}

}  // namespace

std::string lua_meta(const std::vector<plugins::PluginInfo>& plugins) {
  std::string out = "---@meta\n\n";
  add_class("trainhost.Recipe", recipe_schema(), out);
  add_scale_module(out);
  for (const plugins::PluginInfo& plugin : plugins) {
    const std::string origin = "plugin '" + plugin.id + "'";
    const std::string name = "trainhost.plugin." + plugin.id;
    add_class(name, schema_from_json(plugin.options_json, origin), out);
    if (plugin.kind == plugins::Kind::kModel) {
      add_class(name + ".data", schema_from_json(plugin.data_json, origin), out);
    }
  }
  return out;
}

}  // namespace trainhost::recipe
