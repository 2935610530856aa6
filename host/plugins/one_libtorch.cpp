// One LibTorch in the process: a second copy has its own operators, allocators and thread pools,
// and tensors that cross from one to the other corrupt both.
#include <link.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "host/plugins/byte_source.h"
#include "host/plugins/elf_file.h"
#include "host/plugins/load.h"

namespace trainhost::plugins {
namespace {

namespace fs = std::filesystem;

bool is_libtorch(const std::string& name) {
  constexpr std::array<const char*, 3> kFamilies{"libtorch", "libc10", "libnccl"};
  return std::any_of(kFamilies.begin(), kFamilies.end(),
                     [&](const char* family) { return name.starts_with(family); });
}

/// The family's libraries in this process: file name → real path.
using Loaded = std::map<std::string, fs::path>;

Loaded loaded_libraries() {
  Loaded out;
  const auto visit = [](dl_phdr_info* object, std::size_t, void* data) {
    const fs::path file = object->dlpi_name;
    std::error_code error;
    const fs::path real = fs::canonical(file, error);
    if (!error && is_libtorch(file.filename())) {
      static_cast<Loaded*>(data)->emplace(file.filename(), real);
    }
    return 0;
  };
  dl_iterate_phdr(visit, &out);
  return out;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(':', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string with_origin(std::string folder, const std::string& origin) {
  for (const std::string mark : {"${ORIGIN}", "$ORIGIN"}) {
    for (std::size_t at; (at = folder.find(mark)) != std::string::npos;) {
      folder.replace(at, mark.size(), origin);
    }
  }
  return folder;
}

/// Where the loader would look, in its order (ld.so(8)), short of the system's own folders.
std::vector<std::string> search_folders(const std::string& file, const DynamicInfo& dynamic) {
  const std::string origin = fs::path(file).parent_path();
  const char* variable = std::getenv("LD_LIBRARY_PATH");
  std::vector<std::string> out;
  const auto append = [&](const std::string& path) {
    for (const std::string& folder : split(path)) out.push_back(with_origin(folder, origin));
  };
  if (dynamic.runpath.empty()) append(dynamic.rpath);
  if (variable != nullptr) append(variable);
  append(dynamic.runpath);
  return out;
}

/// The file the loader would take for a library that the process does not have yet.
std::optional<fs::path> resolve(const std::string& needed,
                                const std::vector<std::string>& folders) {
  std::error_code error;
  if (needed.find('/') != std::string::npos) {
    const fs::path real = fs::canonical(needed, error);
    return error ? std::nullopt : std::optional(real);
  }
  for (const std::string& folder : folders) {
    const fs::path real = fs::canonical(fs::path(folder) / needed, error);
    if (!error) return real;
  }
  return std::nullopt;
}

/// The loaded library that `real` would stand beside as a second copy: one of the same name in
/// another place, or for libtorch and libc10, which come as one set, any of them in another folder.
const fs::path* rival(const fs::path& real, const std::string& name, const Loaded& loaded) {
  if (const auto same = loaded.find(name); same != loaded.end()) {
    return same->second == real ? nullptr : &same->second;
  }
  if (name.starts_with("libnccl")) return nullptr;
  for (const auto& [other, place] : loaded) {
    const bool of_the_set = !other.starts_with("libnccl");
    if (of_the_set && place.parent_path() != real.parent_path()) return &place;
  }
  return nullptr;
}

}  // namespace

void require_one_libtorch(const std::string& file) {
  const Loaded loaded = loaded_libraries();
  if (loaded.empty()) return;
  const FileSource bytes(file);
  const DynamicInfo dynamic = ElfFile(bytes, file).dynamic();
  const std::vector<std::string> folders = search_folders(file, dynamic);
  for (const std::string& needed : dynamic.needed) {
    const std::string name = fs::path(needed).filename();
    if (!is_libtorch(name)) continue;
    // By a bare name the loader takes what the process has, wherever else a copy may lie.
    if (needed == name && loaded.contains(name)) continue;
    const std::optional<fs::path> real = resolve(needed, folders);
    const fs::path* other = real ? rival(*real, name, loaded) : nullptr;
    if (other == nullptr) continue;
    throw Error(Failure::kPlugin,
                {.where = file,
                 .what = "it would bring a second LibTorch into the process",
                 .expected = other->string() + " (in use)",
                 .got = real->string(),
                 .fix = "build it by trainhost_add_plugin(), which records no folder of LibTorch, "
                        "or unset LD_LIBRARY_PATH"});
  }
}

}  // namespace trainhost::plugins
