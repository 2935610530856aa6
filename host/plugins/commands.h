// `trainhost plugins`, from parsed arguments to output and exit code.
//
// Threads and ranks: the command-line program's one thread.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace trainhost::plugins {

struct PluginsArguments {
  std::vector<std::string> files;  ///< --plugin FILE
  bool json = false;
  bool devices = false;  ///< --devices: list each device that was found
  std::string libtorch;  ///< LibTorch's folder, or "" where there is none
  /// How the devices of a kind are linked, or "": asked with `devices`, where there are several.
  std::function<std::string(const std::string& kind)> links{};
};

/// Lists everything; a refused file of the search path is no failure, one that --plugin named is
/// (3).
int run_plugins_command(const PluginsArguments& arguments, std::ostream& out);

}  // namespace trainhost::plugins
