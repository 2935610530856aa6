#include <filesystem>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"

namespace trainhost::cli {

int run_command(const RunArguments& arguments) {
  plugins::Catalog catalog(plugins::SearchPath::standard(arguments.plugins));
  catalog.require_named_files();
  const auto recipe = recipe::Recipe::load(find_recipe(arguments.recipe), arguments.overrides,
                                           plugin_lookup(catalog));
  const auto prepare = [&](const FailedAttempts& failed) {
    PreparedRun run = place_run(recipe.base(), catalog, failed);
    finish_plan(run, recipe.resolve(world_of(run)), catalog);
    for (const std::string& text : catalog.warnings()) run.placement.warnings.push_back(text);
    return run;
  };
  const PreparedRun run = prepare({});
  if (run.foreign && run.foreign->rank != 0) {
    const std::string& named = arguments.run_directory;
    return execute_placed_rank(run, named.empty() ? "" : std::filesystem::absolute(named).string());
  }
  return execute(run,
                 arguments.run_directory.empty()
                     ? telemetry::RunDirectory::create_numbered("runs", run.plan.name)
                     : telemetry::RunDirectory::create_at(arguments.run_directory),
                 prepare);
}

}  // namespace trainhost::cli
