#include "host/cli/needed_libraries.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "host/plugins/elf_file.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;

// RPATH or RUNPATH with its $ORIGIN.
std::vector<std::string> own_folders(const plugins::DynamicInfo& dynamic, const fs::path& file) {
  std::vector<std::string> out;
  std::istringstream parts(dynamic.runpath.empty() ? dynamic.rpath : dynamic.runpath);
  for (std::string part; std::getline(parts, part, ':');) {
    for (const std::string_view origin : {"$ORIGIN", "${ORIGIN}"}) {
      const std::size_t at = part.find(origin);
      if (at != std::string::npos) part.replace(at, origin.size(), file.parent_path().string());
    }
    out.push_back(part);
  }
  return out;
}

bool in_folders(const std::string& name, const std::vector<std::string>& folders) {
  return std::ranges::any_of(folders, [&name](const std::string& folder) {
    std::error_code ignored;
    return fs::exists(fs::path(folder) / name, ignored);
  });
}

// The loader knows its cache, its default folders and LD_LIBRARY_PATH. LibTorch is never loaded.
bool in_system(const std::string& name) {
  if (name.starts_with("libtorch") || name.starts_with("libc10")) return false;
  void* const library = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library != nullptr) dlclose(library);
  return library != nullptr;
}

}  // namespace

std::vector<std::string> missing_libraries(const std::string& file,
                                           const std::vector<std::string>& folders) {
  const plugins::FileSource source(file);
  const plugins::DynamicInfo dynamic = plugins::ElfFile(source, file).dynamic();
  const std::vector<std::string> own = own_folders(dynamic, file);
  std::vector<std::string> out;
  for (const std::string& name : dynamic.needed) {
    if (!in_folders(name, folders) && !in_folders(name, own) && !in_system(name)) {
      out.push_back(name);
    }
  }
  return out;
}

}  // namespace trainhost::cli
