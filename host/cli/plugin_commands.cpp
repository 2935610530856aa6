#include <iostream>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/cli/nvml_links.h"
#include "host/plugins/commands.h"
#include "host/recipe/text.h"

namespace trainhost::cli {
namespace {

// Nothing where there is none: what is said about plugins is wanted then all the more.
std::optional<launch::LibTorch> libtorch_if_any(std::string& why_not) {
  try {
    return launch::find_libtorch(launch::current_environment(), libtorch_records());
  } catch (const Error& error) {
    why_not = error.text().what;
    return std::nullopt;
  }
}

std::string links_of(const std::string& kind) {
  std::string why_not;
  return kind == "cuda" ? links_text(nvml_links(why_not)) : std::string();
}

}  // namespace

int plugins_command(const PluginsArguments& arguments) {
  std::string why_not;
  const auto libtorch = libtorch_if_any(why_not);
  return plugins::run_plugins_command({.files = arguments.plugins,
                                       .json = arguments.json,
                                       .devices = arguments.devices,
                                       .libtorch = libtorch ? libtorch->folder : std::string(),
                                       .links = links_of},
                                      std::cout);
}

int check_plugin_command(const CheckPluginArguments& arguments) {
  plugins::CheckPluginArguments passed{
      .file = arguments.file, .json = arguments.json, .settings = {}};
  passed.settings.only = arguments.only;
  if (const auto libtorch = libtorch_if_any(passed.settings.why_no_rank)) {
    passed.settings.rank_program = rank_program();
    passed.settings.library_path = recipe::join(libtorch->library_path, ":");
    passed.settings.libtorch = libtorch->folder;
  }
  return plugins::run_check_plugin_command(passed, std::cout);
}

}  // namespace trainhost::cli
