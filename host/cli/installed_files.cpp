#include "host/cli/installed_files.h"

#include <algorithm>
#include <filesystem>

#include "host/launch/rank_environment.h"
#include "host/plugins/places.h"
#include "host/recipe/text.h"
#include "trainhost/error.h"

namespace trainhost::cli {

namespace fs = std::filesystem;

std::string rank_program() {
  const std::string path = plugins::install_prefix() + "/libexec/trainhost-rank";
  std::error_code ignored;
  if (fs::exists(path, ignored)) return path;
  throw Error(Failure::kRun, {.where = path,
                              .what = "the program that trains is missing",
                              .fix = "build or install trainhost again"});
}

std::string recipes_folder() { return plugins::install_prefix() + "/share/trainhost/recipes"; }

std::vector<std::string> libtorch_records() {
  const std::string prefix = plugins::install_prefix();
  return {prefix + "/share/trainhost/libtorch.path"};
}

std::optional<launch::LibTorch> libtorch_if_any(std::string& why_not) {
  try {
    return launch::find_libtorch(launch::current_environment(), libtorch_records());
  } catch (const Error& error) {
    why_not = error.text().what;
    return std::nullopt;
  }
}

std::string check_models_folder() { return plugins::install_prefix() + "/libexec/check-plugin"; }

std::vector<std::string> installed_recipes() {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(recipes_folder(), ignored)) {
    if (entry.path().extension() == ".lua") out.push_back(entry.path().filename().string());
  }
  std::ranges::sort(out);
  return out;
}

std::string find_recipe(const std::string& named) {
  std::error_code ignored;
  if (fs::exists(named, ignored) && !fs::is_directory(named, ignored)) return named;
  for (const char* suffix : {"", ".lua"}) {
    const std::string installed = recipes_folder() + "/" + named + suffix;
    if (!named.empty() && fs::is_regular_file(installed, ignored)) return installed;
  }
  // A folder: the recipe layer says what is wrong with it.
  if (fs::exists(named, ignored)) return named;
  const std::vector<std::string> known = installed_recipes();
  const std::string near = recipe::nearest(fs::path(named).filename().string(), known);
  throw Error(Failure::kUser,
              {.where = named,
               .what = "there is no such recipe" +
                       (near.empty() ? std::string() : "; did you mean '" + near + "'?"),
               .fix = "name a Lua file, or one of the recipes that `trainhost recipes` lists"});
}

}  // namespace trainhost::cli
