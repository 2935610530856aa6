#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "host/cli/auto_batch.h"
#include "host/cli/commands.h"
#include "host/cli/cost_queries.h"
#include "host/cli/cost_report.h"
#include "host/cli/installed_files.h"
#include "host/recipe/describe.h"
#include "host/recipe/value_json.h"

namespace trainhost::cli {
namespace {

// Whether this machine could run it, without opening a device.
std::string machine_text(const recipe::RunPlan& base, plugins::Catalog& catalog,
                         std::string& device) {
  try {
    const PreparedRun run = place_run(base, catalog);
    device = run.placement.device_kind;
    std::string out = "yes: " + run.placement.chain;
    if (!run.placement.precision_note.empty()) out += "; " + run.placement.precision_note;
    return out;
  } catch (const Error& error) {
    return "no because " + error.text().what +
           (error.text().fix.empty() ? "" : " (" + error.text().fix + ")");
  }
}

Costs ask(const DescribeArguments& arguments, const recipe::Recipe& recipe,
          plugins::Catalog& catalog) {
  CostQueries queries(recipe, arguments.worlds, catalog);
  Costs costs = queries.claims();
  if (!costs.problem.empty()) return costs;
  if (arguments.probe) queries.probe(costs, arguments.steps);
  if (arguments.measure) queries.measure(costs, arguments.steps);
  predict(costs);
  return costs;
}

std::string with_costs(const std::string& description, const std::string& costs) {
  recipe::Json json = recipe::Json::parse(description);
  json["costs"] = recipe::Json::parse(costs);
  return recipe::dump_json(json) + "\n";
}

}  // namespace

int describe_command(const DescribeArguments& arguments) {
  plugins::Catalog catalog(plugins::SearchPath::standard(arguments.plugins));
  catalog.require_named_files();
  const auto [recipe, batch_note] =
      load_recipe(find_recipe(arguments.recipe), arguments.overrides, catalog, Search::kNever);
  std::string device = "cpu";
  const std::string machine = machine_text(recipe.base(), catalog, device);
  std::vector<recipe::World> worlds;
  for (const std::int64_t ranks : arguments.worlds) {
    worlds.push_back(
        {.ranks = ranks, .nodes = 1, .cpus = launch::usable_cores(), .device = device});
  }
  recipe::Description description = recipe::describe(recipe, worlds, machine);
  const recipe::PluginChoice& strategy = recipe.base().strategy;
  const auto* info = catalog.find(plugins::Kind::kStrategy,
                                  strategy.written.empty() ? strategy.id : strategy.file);
  description.exact = info == nullptr || info->exact;
  const Costs costs = ask(arguments, recipe, catalog);
  const std::string text = arguments.json
                               ? with_costs(recipe::describe_json(description), costs_json(costs))
                               : recipe::describe_text(description) + costs_text(costs);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace trainhost::cli
