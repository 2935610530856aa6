#include "host/cli/prepared_run.h"

#include <algorithm>

#include "host/cli/installed_files.h"
#include "host/launch/control.h"

namespace trainhost::cli {
namespace {

using plugins::Kind;

// Null, with the reason, where the device's plugin cannot be used.
const plugins::PluginInfo* find_device(plugins::Catalog& catalog, const std::string& kind,
                                       std::string& why_not) {
  try {
    const plugins::PluginInfo* info = catalog.find(Kind::kDevice, kind);
    if (info == nullptr) why_not = "no '" + kind + "' device plugin is installed";
    return info;
  } catch (const Error& error) {
    why_not = error.text().what;
    return nullptr;
  }
}

// A device named by its file goes by its id from here on.
recipe::DevicesRequest by_ids(recipe::DevicesRequest devices, plugins::Catalog& catalog) {
  for (std::string& kind : devices.kinds) {
    if (!recipe::is_plugin_path(kind)) continue;
    if (const auto* info = catalog.find(Kind::kDevice, kind, devices.position.text())) {
      kind = info->id;
    }
  }
  return devices;
}

// Several ranks on each device, where the strategy has an option for that and the recipe sets it.
void share_devices(launch::Placement& placement, const plugins::PluginInfo* strategy,
                   const Value& options) {
  if (strategy == nullptr || strategy->ranks_option.empty()) return;
  const Value* value = options.find(strategy->ranks_option);
  const auto* ranks = value == nullptr ? nullptr : std::get_if<std::int64_t>(&value->data);
  if (ranks == nullptr || *ranks <= 1) return;
  if (*ranks * placement.ranks() > launch::kMaxLocalRanks) {
    throw Error(Failure::kUser, {.where = value->position.text(),
                                 .what = "too many ranks on one machine",
                                 .expected = "at most " + std::to_string(launch::kMaxLocalRanks),
                                 .got = std::to_string(*ranks * placement.ranks())});
  }
  std::vector<int> shared;
  for (const int index : placement.indices) shared.insert(shared.end(), *ranks, index);
  placement.indices = std::move(shared);
}

}  // namespace

recipe::PluginLookup plugin_lookup(plugins::Catalog& catalog) {
  return {
      .find = [&catalog](Kind kind, const std::string& name) { return catalog.find(kind, name); },
      .known = [&catalog](Kind kind) { return catalog.known_ids(kind); }};
}

launch::Prober device_prober(plugins::Catalog& catalog, const std::string& libtorch) {
  return [&catalog, libtorch](const std::string& kind) {
    launch::FoundDevices out;
    plugins::ProbeResult probed = catalog.probe_device(kind, libtorch);
    out.why_not = probed.why_not;
    if (probed.devices.empty()) return out;  // hardware and driver come before the plugin
    const plugins::PluginInfo* info = find_device(catalog, kind, out.why_not);
    if (info == nullptr) return out;
    out.precisions = info->precisions;
    for (const auto& device : probed.devices) {
      out.devices.push_back({device.index, device.name, device.memory_bytes});
    }
    return out;
  };
}

PreparedRun place_run(const recipe::RunPlan& base, plugins::Catalog& catalog,
                      const FailedAttempts& failed) {
  PreparedRun out;
  const launch::Environment environment = launch::current_environment();
  out.foreign = launch::find_foreign_placement(environment);
  out.libtorch = launch::find_libtorch(environment, libtorch_records());
  const plugins::PluginInfo* strategy = catalog.find(
      Kind::kStrategy, base.strategy.written.empty() ? base.strategy.id : base.strategy.file);
  out.ranks_are_threads = strategy != nullptr && strategy->ranks_are_threads;
  if (out.foreign && out.foreign->world > 1 && out.ranks_are_threads) {
    throw Error(Failure::kUser,
                {.where = base.strategy.options.position.text(),
                 .what = "the strategy '" + base.strategy.id +
                         "' runs its ranks as threads of one process, but " +
                         out.foreign->launcher + " started several processes",
                 .fix = "use another strategy (strategy=ddp), or start one process"});
  }
  out.placement = launch::place({.devices = by_ids(base.devices, catalog),
                                 .precision = base.precision,
                                 .cores = launch::usable_cores(),
                                 .foreign_local_rank = out.foreign ? out.foreign->local_rank : -1,
                                 .failed = failed},
                                device_prober(catalog, out.libtorch.folder));
  share_devices(out.placement, strategy, base.strategy.options);
  return out;
}

launch::FailedAttempt failed_attempt(const PreparedRun& run, const launch::FailedOpening& opening) {
  std::vector<int> devices;
  for (const int index : run.placement.indices) {
    if (std::ranges::find(devices, index) == devices.end()) devices.push_back(index);
  }
  return {run.placement.device_kind, std::move(devices), opening.device, opening.reason};
}

recipe::World world_of(const PreparedRun& run) {
  recipe::World out;
  out.ranks = run.foreign ? run.foreign->world : run.placement.ranks();
  out.nodes = run.foreign
                  ? (run.foreign->world + run.foreign->local_world - 1) / run.foreign->local_world
                  : 1;
  out.cpus = launch::usable_cores();
  out.device = run.placement.device_kind;
  return out;
}

std::vector<std::vector<int>> rank_devices(const PreparedRun& run) {
  if (run.ranks_are_threads) return {run.placement.indices};
  std::vector<std::vector<int>> out;
  for (const int index : run.placement.indices) out.push_back({index});
  return out;
}

void finish_plan(PreparedRun& run, recipe::RunPlan plan, plugins::Catalog& catalog) {
  plan.device_kind = run.placement.device_kind;
  plan.device_note = run.placement.chain;
  plan.precision = run.placement.precision;
  plan.precision_note = run.placement.precision_note;
  if (const auto* info = catalog.find(Kind::kDevice, plan.device_kind))
    plan.device_file = info->file;
  run.plan = std::move(plan);
}

}  // namespace trainhost::cli
