#include <filesystem>

#include "host/cli/auto_batch.h"
#include "host/cli/commands.h"
#include "host/cli/installed_files.h"

namespace trainhost::cli {

int run_command(const RunArguments& arguments) {
  plugins::Catalog catalog(plugins::SearchPath::standard(arguments.plugins));
  catalog.require_named_files();
  const auto prepare = [&](FailedAttempts& failed) {
    const auto [recipe, batch_note] =
        load_recipe(find_recipe(arguments.recipe), arguments.overrides, catalog,
                    Search::kWhereNotKnown, &failed);
    PreparedRun run = place_run(recipe.base(), catalog, failed);
    finish_plan(run, recipe.resolve(world_of(run)), catalog);
    run.batch_note = batch_note;
    for (const std::string& text : catalog.warnings()) run.placement.warnings.push_back(text);
    return run;
  };
  FailedAttempts failed;
  const PreparedRun run = prepare(failed);
  if (run.foreign && run.foreign->rank != 0) {
    const std::string& named = arguments.run_directory;
    return execute_placed_rank(run, named.empty() ? "" : std::filesystem::absolute(named).string());
  }
  return execute(run,
                 arguments.run_directory.empty()
                     ? telemetry::RunDirectory::create_numbered("runs", run.plan.name)
                     : telemetry::RunDirectory::create_at(arguments.run_directory),
                 failed, prepare);
}

}  // namespace trainhost::cli
