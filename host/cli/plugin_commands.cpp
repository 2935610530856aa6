#include <iostream>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/cli/nvml_links.h"
#include "host/plugins/commands.h"

namespace trainhost::cli {
namespace {

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

}  // namespace trainhost::cli
