#include "gpu/library.h"

#include <dlfcn.h>

#include <filesystem>

namespace kgat::gpu {
namespace {

std::string reason_of_loader() {
  const char* text = ::dlerror();
  return text == nullptr ? "unknown" : text;
}

}  // namespace

Library open_library(const std::string& file) {
  Library out{nullptr, file, ""};
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    out.why_not = "there is no " + file + " (built where CMake finds nvcc)";
    return out;
  }
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    out.why_not = reason_of_loader();
    return out;
  }
  const auto* table = static_cast<const Table*>(::dlsym(library, kTableSymbol));
  if (table == nullptr) {
    out.why_not = file + " holds no kernels of KGAT";
  } else if (table->struct_size != sizeof(Table) || table->version != kTableVersion) {
    out.why_not = file + " is of another build: version " + std::to_string(table->version) +
                  ", expected " + std::to_string(kTableVersion) + "; build kgat_cuda again";
  } else {
    out.table = table;
  }
  return out;
}

Library library_beside_plugin() {
  Dl_info place{};
  if (::dladdr(reinterpret_cast<const void*>(&library_beside_plugin), &place) == 0 ||
      place.dli_fname == nullptr) {
    return {nullptr, "", "the plugin's own place is not known"};
  }
  const std::filesystem::path self(place.dli_fname);
  return open_library((self.parent_path() / "kernels" / "kgat_cuda.so").string());
}

}  // namespace kgat::gpu
