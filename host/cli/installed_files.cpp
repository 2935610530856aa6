#include "host/cli/installed_files.h"

#include <algorithm>
#include <filesystem>

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

namespace {

std::vector<std::string> lua_files(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".lua") out.push_back(entry.path().filename().string());
  }
  std::ranges::sort(out);
  return out;
}

std::string find_lua(const std::string& named, const std::string& folder, const std::string& kind,
                     const std::string& fix) {
  std::error_code ignored;
  if (fs::exists(named, ignored) && !fs::is_directory(named, ignored)) return named;
  for (const char* suffix : {"", ".lua"}) {
    const std::string installed = folder + "/" + named + suffix;
    // Beside scripts lie programs of the same name.
    const bool lua = installed.ends_with(".lua");
    if (!named.empty() && lua && fs::is_regular_file(installed, ignored)) return installed;
  }
  // A folder: who reads it says what is wrong with it.
  if (fs::exists(named, ignored)) return named;
  const std::string near = recipe::nearest(fs::path(named).filename().string(), lua_files(folder));
  throw Error(Failure::kUser,
              {.where = named,
               .what = "there is no such " + kind +
                       (near.empty() ? std::string() : "; did you mean '" + near + "'?"),
               .fix = fix});
}

}  // namespace

std::vector<std::string> installed_recipes() { return lua_files(recipes_folder()); }

std::string find_recipe(const std::string& named) {
  return find_lua(named, recipes_folder(), "recipe",
                  "name a Lua file, or one of the recipes that `trainhost recipes` lists");
}

std::string find_script(const std::string& named) {
  const std::string folder = plugins::install_prefix() + "/share/trainhost/scripts";
  return find_lua(named, folder, "script",
                  "name a Lua file, or one of " + recipe::join(lua_files(folder), ", "));
}

}  // namespace trainhost::cli
