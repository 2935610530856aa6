#include <iostream>

#include "host/cli/commands.h"
#include "host/cli/installed_files.h"
#include "host/plugins/commands.h"

namespace trainhost::cli {
int plugins_command(const PluginsArguments& arguments) {
  std::string why_not;
  const auto libtorch = libtorch_if_any(why_not);
  return plugins::run_plugins_command({.files = arguments.plugins,
                                       .json = arguments.json,
                                       .devices = arguments.devices,
                                       .libtorch = libtorch ? libtorch->folder : std::string()},
                                      std::cout);
}

}  // namespace trainhost::cli
