#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/checkpoint/run_checkpoints.h"
#include "host/cli/commands.h"
#include "host/cli/resume_overrides.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

// Plugins may lie elsewhere than when the run was started.
void find_plugin_again(recipe::PluginChoice& choice, plugins::Kind kind,
                       plugins::Catalog& catalog) {
  const bool by_path = recipe::is_plugin_path(choice.written);
  const plugins::PluginInfo* info = catalog.find(kind, by_path ? choice.file : choice.id);
  if (info == nullptr) {
    throw Error(Failure::kPlugin, {.where = choice.options.position.text(),
                                   .what = "the run's plugin '" + choice.id + "' is not here",
                                   .fix = "name its file with --plugin FILE"});
  }
  choice.file = info->file;
}

// Relative paths of the recipe's options count from where the run was started.
void enter(const std::string& folder) {
  std::error_code error;
  if (folder.empty()) return;
  fs::current_path(folder, error);
  if (error) {
    throw Error(Failure::kUser, {.where = folder,
                                 .what = "the folder in which the run was started cannot be "
                                         "entered: " +
                                         error.message(),
                                 .fix = "start a new run"});
  }
}

// A path counts from where the user is.
std::string checkpoint_name(const std::string& written) {
  return written.find('/') == std::string::npos ? written : fs::absolute(written).string();
}

}  // namespace

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
  run.resume = chosen.path;
  const recipe::World world = world_of(run);
  if (world.ranks != plan.ranks || world.nodes != plan.nodes) rescale(plan, world);
  finish_plan(run, std::move(plan), catalog);
  for (const std::string& text : catalog.warnings()) run.placement.warnings.push_back(text);
  if (!owner) return execute_placed_rank(run, directory.path());
  const std::string note = checkpoint::go_back_to(chosen, directory.path());
  if (!note.empty()) run.placement.warnings.push_back(note);
  directory.forget_metrics_after(chosen.manifest.position.total_steps());
  return execute(run, std::move(directory));
}

}  // namespace trainhost::cli
