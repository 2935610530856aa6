#include "host/cli/run_banner.h"

#include <fmt/format.h>

#include <cstdlib>
#include <initializer_list>

#include "host/recipe/describe.h"
#include "host/telemetry/text_layout.h"

namespace trainhost::cli {
namespace {

std::string plugin_text(const recipe::PluginChoice& choice) {
  if (choice.written.empty() || choice.written == choice.id) return choice.id;
  return fmt::format("{} (written as {})", choice.id, choice.written);
}

std::string device_text(const launch::FoundDevices::Device& device) {
  if (device.memory_bytes <= 0) return device.name;
  return fmt::format("{} {:.3g} GB", device.name, static_cast<double>(device.memory_bytes) / 1e9);
}

// "2 of 4 cuda: NVIDIA T4 16 GB"; several ranks may share one CPU.
std::string devices_text(const launch::Placement& placement) {
  const auto& available = placement.available.devices;
  const std::string first = available.empty() ? "" : device_text(available.front());
  if (placement.device_kind == "cpu") {
    const int cores = launch::usable_cores();
    return fmt::format("cpu: {}, {} core{}, {} rank{}", first, cores, cores == 1 ? "" : "s",
                       placement.ranks(), placement.ranks() == 1 ? "" : "s");
  }
  std::string indices;
  for (const int index : placement.indices) indices += fmt::format(" {}", index);
  return fmt::format("{} of {} {} ({}), in use:{}", placement.ranks(), available.size(),
                     placement.device_kind, first, indices);
}

std::string variables_text(std::initializer_list<const char*> names) {
  std::string out;
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr) out += fmt::format("{}{}={}", out.empty() ? "" : " ", name, value);
  }
  return out;
}

// Variables that hide devices explain many a missing one.
std::string visibility_text() {
  return variables_text({"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ZE_AFFINITY_MASK",
                         "ONEAPI_DEVICE_SELECTOR"});
}

// Of LibTorch's allocator and of NCCL: honoured as they are, and part of what a figure means.
std::string settings_text() {
  return variables_text({"PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "NCCL_P2P_DISABLE",
                         "NCCL_IB_DISABLE", "NCCL_SOCKET_IFNAME", "NCCL_DEBUG", "NCCL_TIMEOUT",
                         "TORCH_FR_BUFFER_SIZE", "TORCH_NCCL_TRACE_BUFFER_SIZE"});
}

std::string batch_text(const recipe::ObjectivePlan& objective, const recipe::RunPlan& plan) {
  std::string out = fmt::format("batch {} = {} a rank × {} rank{}", objective.effective_batch,
                                objective.batch_per_rank, plan.ranks, plan.ranks == 1 ? "" : "s");
  if (plan.train.accumulate > 1) out += fmt::format(" × {} accumulated", plan.train.accumulate);
  return out + ", " + objective.lr_note;
}

std::string ranks_text(const PreparedRun& run) {
  return fmt::format("placed by {}: rank {} of {}, {} node{}", run.foreign->launcher,
                     run.foreign->rank, run.foreign->world, run.plan.nodes,
                     run.plan.nodes == 1 ? "" : "s");
}

}  // namespace

telemetry::Banner run_banner(const PreparedRun& run, const std::string& run_directory) {
  const recipe::RunPlan& plan = run.plan;
  telemetry::Banner out;
  out.title = fmt::format("trainhost {}  {}", TRAINHOST_VERSION, plan.name);
  const auto row = [&out](const std::string& key, const std::string& value) {
    if (!value.empty()) out.rows.emplace_back(key, telemetry::printable(value));
  };
  row("recipe", plan.recipe_file);
  row("model", plugin_text(plan.model));
  if (const Value* folder = plan.data.find("dir")) {
    if (const auto* text = std::get_if<std::string>(&folder->data)) row("data", *text);
  }
  row("devices", devices_text(run.placement));
  row("chain", run.placement.chain);
  row("visible", visibility_text());
  row("variables", settings_text());
  if (run.foreign) row("ranks", ranks_text(run));
  row("strategy", plugin_text(plan.strategy));
  row("precision", plan.precision + recipe::economies_text(plan) +
                       (plan.precision_note.empty() ? "" : "  " + plan.precision_note));
  row("batch", run.batch_note);
  for (const auto& objective : plan.objectives) row(objective.name, batch_text(objective, plan));
  row("epochs", std::to_string(plan.train.epochs));
  row("LibTorch", run.libtorch.version + "  " + run.libtorch.folder);
  row("resume", run.resume);
  row("run", run_directory);
  out.warnings = run.placement.warnings;
  return out;
}

}  // namespace trainhost::cli
