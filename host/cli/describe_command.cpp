#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/recipe/describe.h"

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

}  // namespace

int describe_command(const DescribeArguments& arguments) {
  plugins::Catalog catalog(plugins::SearchPath::standard(arguments.plugins));
  catalog.require_named_files();
  const auto recipe = recipe::Recipe::load(find_recipe(arguments.recipe), arguments.overrides,
                                           plugin_lookup(catalog));
  std::string device = "cpu";
  const std::string machine = machine_text(recipe.base(), catalog, device);
  std::vector<recipe::World> worlds;
  for (const std::int64_t ranks : arguments.worlds) {
    worlds.push_back(
        {.ranks = ranks, .nodes = 1, .cpus = launch::usable_cores(), .device = device});
  }
  const recipe::Description description = recipe::describe(recipe, worlds, machine);
  const std::string text =
      arguments.json ? recipe::describe_json(description) : recipe::describe_text(description);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace trainhost::cli
