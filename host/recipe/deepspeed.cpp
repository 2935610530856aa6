#include "host/recipe/deepspeed.h"

#include "host/recipe/schema.h"

namespace trainhost::recipe {
namespace {

constexpr const char* kConfig = "strategy.config";
constexpr const char* kWhole = R"([{"name": "zero_optimization", "type": "any"}])";
// offload_parameters is the name that the strategies themselves use.
constexpr const char* kZero = R"([
  {"name": "stage", "type": "int", "default": 2, "min": 1, "max": 3},
  {"name": "offload_optimizer", "type": "any", "optional": true},
  {"name": "offload_param", "type": "any", "optional": true},
  {"name": "offload_parameters", "type": "any", "optional": true}])";
// Memory that is offloaded from a device is always pinned.
constexpr const char* kOffload = R"([
  {"name": "device", "type": "string", "default": "cpu", "one_of": ["none", "cpu", "nvme"]},
  {"name": "nvme_path", "type": "string", "optional": true},
  {"name": "pin_memory", "type": "bool", "default": true}])";

Value checked(const Value& table, const char* schema, const std::string& path, Problems& problems) {
  if (!std::holds_alternative<Table>(table.data)) {
    problems.add(table.position, path + " must be a table, not " + value_in_words(table));
    return {};
  }
  return check_table(table, schema_from_json(schema, "DeepSpeed's configuration"), path, problems);
}

/// true, false or { device = … }.
bool is_on(const Value& offload, const std::string& path, Problems& problems) {
  if (const bool* flag = std::get_if<bool>(&offload.data)) return *flag;
  const Value options = checked(offload, kOffload, path, problems);
  const Value* device = options.find("device");
  if (device == nullptr) return false;
  const auto& name = std::get<std::string>(device->data);
  if (name == "nvme") {
    problems.add(device->position,
                 path +
                     ".device: trainhost offloads to host memory and not to a disk; use \"cpu\" "
                     "(on devices = \"cpu\" that is files in strategy.offload_directory)");
  }
  return name == "cpu";
}

}  // namespace

DeepSpeedChoice read_deepspeed(const Value& config, Problems& problems) {
  std::string path = kConfig;
  const Value* zero = &config;
  if (config.find("zero_optimization") != nullptr) {
    checked(config, kWhole, path, problems);
    zero = config.find("zero_optimization");
    path += ".zero_optimization";
  }
  const Value options = checked(*zero, kZero, path, problems);
  DeepSpeedChoice choice;
  const Value* stage = options.find("stage");
  if (stage == nullptr) return choice;
  choice.id = "zero" + std::to_string(std::get<std::int64_t>(stage->data));
  for (const char* key : {"offload_optimizer", "offload_param", "offload_parameters"}) {
    const Value* offload = options.find(key);
    if (offload == nullptr || !is_on(*offload, path + "." + key, problems)) continue;
    const bool optimizer = std::string(key) == "offload_optimizer";
    (optimizer ? choice.offload_optimizer : choice.offload_parameters) = true;
    if (!optimizer && choice.id != "zero3") {
      problems.add(offload->position, path + "." + key +
                                          " needs stage = 3, which alone cuts the "
                                          "parameters");
    }
  }
  return choice;
}

}  // namespace trainhost::recipe
