#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "trainhost/error.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;

// The first comment line says what a recipe does.
std::string first_comment(const std::string& file) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("--", 0) != 0) continue;
    const std::size_t begin = line.find_first_not_of("- ");
    if (begin != std::string::npos) return line.substr(begin);
  }
  return {};
}

int list_recipes() {
  const std::vector<std::string> names = installed_recipes();
  if (names.empty()) {
    throw Error(Failure::kRun, {.where = recipes_folder(),
                                .what = "no recipes are installed",
                                .fix = "build or install trainhost again"});
  }
  std::size_t width = 0;
  for (const std::string& name : names) width = std::max(width, name.size());
  for (const std::string& name : names) {
    const std::string comment = first_comment(recipes_folder() + "/" + name);
    std::printf("%-*s  %s\n", static_cast<int>(width), name.c_str(), comment.c_str());
  }
  return 0;
}

}  // namespace

int recipes_command(const RecipesArguments& arguments) {
  if (arguments.copy.empty()) return list_recipes();
  const fs::path from = find_recipe(arguments.copy);
  const fs::path to = fs::path(arguments.to) / from.filename();
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, error);
  if (error) {
    throw Error(Failure::kUser,
                {.where = to.string(),
                 .what = "cannot copy the recipe: " + error.message(),
                 .fix = error == std::errc::file_exists ? "remove that file first"
                                                        : "choose a folder that can be written"});
  }
  std::printf("%s\n", to.c_str());
  return 0;
}

}  // namespace trainhost::cli
