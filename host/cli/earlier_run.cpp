#include "host/cli/earlier_run.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/recipe/recipe.h"
#include "trainhost/error.h"

namespace trainhost::cli {

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

}  // namespace trainhost::cli
