#include "host/checkpoint/run_checkpoints.h"
#include "host/cli/commands.h"
#include "host/cli/earlier_run.h"
#include "host/cli/resume_overrides.h"

namespace trainhost::cli {

int resume_command(const ResumeArguments& arguments) {
  telemetry::RunDirectory directory = telemetry::RunDirectory::open(arguments.run_directory);
  const std::string wanted = checkpoint_name(arguments.checkpoint);
  plugins::Catalog catalog(plugins::SearchPath::standard(arguments.plugins));
  catalog.require_named_files();
  recipe::RunPlan plan = apply_resume_overrides(
      recipe::plan_from_json(read_file(directory.plan_file()), directory.plan_file()),
      arguments.overrides);
  enter(plan.working_dir);
  find_plugin_again(plan.model, plugins::Kind::kModel, catalog);
  find_plugin_again(plan.strategy, plugins::Kind::kStrategy, catalog);
  change_strategy(plan, arguments.overrides, catalog);

  PreparedRun run = place_run(plan, catalog);
  const bool owner = !run.foreign || run.foreign->rank == 0;
  if (owner) {
    directory.lock();
    checkpoint::tidy(directory.path());
  }
  const checkpoint::Chosen chosen = checkpoint::choose(directory.path(), wanted);
  const auto complete = [&](PreparedRun& placed) {
    placed.resume = chosen.path;
    const recipe::World world = world_of(placed);
    recipe::RunPlan scaled = plan;
    if (world.ranks != plan.ranks || world.nodes != plan.nodes) rescale(scaled, world);
    finish_plan(placed, std::move(scaled), catalog);
    for (const std::string& text : catalog.warnings()) placed.placement.warnings.push_back(text);
  };
  complete(run);
  if (!owner) return execute_placed_rank(run, directory.path());
  const std::string note = checkpoint::go_back_to(chosen, directory.path());
  if (!note.empty()) run.placement.warnings.push_back(note);
  directory.forget_metrics_after(chosen.manifest.position.total_steps());
  return execute(std::move(run), std::move(directory), {}, [&](const FailedAttempts& failed) {
    PreparedRun placed = place_run(plan, catalog, failed);
    complete(placed);
    return placed;
  });
}

}  // namespace trainhost::cli
