#include "host/plugins/places.h"

#include <filesystem>
#include <system_error>

namespace trainhost::plugins {

namespace fs = std::filesystem;

std::string install_prefix() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? std::string(".") : program.parent_path().parent_path().string();
}

std::string default_plugin_folder() {
  const fs::path prefix = install_prefix();
  const fs::path installed = prefix / "lib" / "trainhost" / "plugins";
  std::error_code error;
  return fs::is_directory(installed, error) ? installed.string() : (prefix / "plugins").string();
}

}  // namespace trainhost::plugins
