#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "host/cli/commands.h"
#include "host/cli/trained_run.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;

/// The folder's path, for which there may be nothing yet but an empty folder.
std::string free_folder(const std::string& written) {
  std::string path = fs::absolute(written).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  std::error_code ignored;
  if (fs::exists(path, ignored) && !(fs::is_directory(path) && fs::is_empty(path))) {
    throw Error(Failure::kUser, {.where = "--to",
                                 .what = "'" + written + "' exists and is not empty",
                                 .fix = "name a folder that is new or empty; an export replaces "
                                        "nothing"});
  }
  return path;
}

std::string facts_of(const TrainedRun& run) {
  Json json = {{"format", "trainhost.export"},
               {"format_version", kFormatVersion},
               {"trainhost_version", TRAINHOST_VERSION},
               {"model", run.plan().model.id},
               {"run", run.plan().name},
               {"seed", run.plan().train.seed}};
  json.update(Json::parse(run.facts()));
  return json.dump();
}

}  // namespace

int export_command(const ExportArguments& arguments) {
  TrainedRun::Use use;
  use.job = "export";
  use.target = free_folder(arguments.to);
  const TrainedRun run(arguments.model, TrainedRun::Job::kExport);
  use.facts = facts_of(run);
  const int code = run.use(use);
  if (code == 0) fmt::print("exported to {}\n", use.target);
  return code;
}

}  // namespace trainhost::cli
