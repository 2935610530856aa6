#include "host/cli/model_folder.h"

#include <filesystem>

#include "host/cli/prepared_run.h"
#include "host/recipe/recipe.h"
#include "host/recipe/text.h"
#include "trainhost/error.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;

/// The model plugin that opens it. Throws trainhost::Error where none does.
const plugins::PluginInfo& who_opens(const fs::path& folder, plugins::Catalog& catalog) {
  std::string known = "plan.json (a run directory)";
  for (const std::string& id : catalog.known_ids(plugins::Kind::kModel)) {
    const plugins::PluginInfo* info = catalog.find(plugins::Kind::kModel, id);
    if (info == nullptr) continue;
    for (const std::string& file : info->folder_files) {
      std::error_code ignored;
      if (fs::is_regular_file(folder / file, ignored)) return *info;
      known += ", " + file + " (" + id + ")";
    }
  }
  throw Error(
      Failure::kUser,
      {.where = folder.string(),
       .what = "this folder is neither a run nor a model that a plugin opens",
       .expected = "one of these files in it: " + known,
       .fix = "name the run directory that `trainhost RECIPE` printed, such as runs/NAME, or "
              "a model's own folder"});
}

}  // namespace

std::optional<recipe::RunPlan> plan_of_model_folder(const std::string& folder,
                                                    const std::vector<std::string>& overrides,
                                                    plugins::Catalog& catalog) {
  std::error_code ignored;
  const fs::path path = fs::absolute(folder).lexically_normal();
  // What is not there is said by what reads run directories.
  if (!fs::is_directory(path, ignored) || fs::exists(path / "plan.json", ignored)) {
    return std::nullopt;
  }
  const plugins::PluginInfo& model = who_opens(path, catalog);
  // The optimizer and the loop are what every recipe has; nothing is trained.
  const std::string source = "return { name = \"predict\", model = { " +
                             recipe::lua_text(model.id) + ", " + model.folder_option + " = " +
                             recipe::lua_text(path.string()) +
                             " }, optimizer = { \"adam\", lr = 1 }, "
                             "train = { epochs = 1, batch = 1 } }";
  recipe::RunPlan plan =
      recipe::Recipe::from_source(source, folder, overrides, plugin_lookup(catalog)).base();
  plan.working_dir = fs::current_path(ignored).string();
  return plan;
}

}  // namespace trainhost::cli
