// xpu_probe.so: the Intel GPUs of this machine, or the first reason why none can be used.
//
// It counts devices through the Level Zero loader (by dlopen) and creates no context.
#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "trainhost/device_probe.h"
#include "trainhost/export.h"
#include "trainhost/plugin.h"

TRAINHOST_PROBE("xpu", "0.1.0")

namespace {

constexpr std::uint32_t kGpuOnly = 1;  // ZE_INIT_FLAG_GPU_ONLY

std::string none(const std::string& reason) {
  return R"({"devices": [], "why_not": ")" + reason + "\"}";
}

/// The number of GPUs of all drivers; -1 where the loader lacks a function.
int count_devices(void* library) {
  using Init = int (*)(std::uint32_t);
  using List = int (*)(std::uint32_t*, void**);
  using ListOf = int (*)(void*, std::uint32_t*, void**);
  const auto init = reinterpret_cast<Init>(::dlsym(library, "zeInit"));
  const auto list_drivers = reinterpret_cast<List>(::dlsym(library, "zeDriverGet"));
  const auto list_devices = reinterpret_cast<ListOf>(::dlsym(library, "zeDeviceGet"));
  if (init == nullptr || list_drivers == nullptr || list_devices == nullptr) return -1;
  std::uint32_t drivers = 0;
  if (init(kGpuOnly) != 0 || list_drivers(&drivers, nullptr) != 0) return 0;
  std::vector<void*> handles(drivers);
  if (list_drivers(&drivers, handles.data()) != 0) return 0;
  int total = 0;
  for (void* driver : handles) {
    std::uint32_t devices = 0;
    if (list_devices(driver, &devices, nullptr) == 0) total += static_cast<int>(devices);
  }
  return total;
}

/// The hardware comes before the software that would use it. The loader stays loaded: drivers do
/// not survive being unloaded once they were started.
std::string answer(const std::string& libtorch) {
  void* const library = ::dlopen("libze_loader.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return none("no Intel GPU driver (its Level Zero loader, libze_loader.so.1, not found)");
  }
  const int count = count_devices(library);
  if (count < 0) return none("the Intel GPU driver is too old: libze_loader.so.1 lacks functions");
  if (count == 0) return none("the Level Zero drivers find no GPU");
  if (!std::filesystem::exists(std::filesystem::path(libtorch) / "lib/libtorch_xpu.so")) {
    return none("this LibTorch has no XPU (no libtorch_xpu.so)");
  }
  std::string list;
  for (int index = 0; index < count; ++index) {
    const std::string number = std::to_string(index);
    list += (index == 0 ? R"({"index": )" : R"(, {"index": )") + number +
            R"(, "name": "Intel GPU )" + number + "\"}";
  }
  return R"({"devices": [)" + list + R"(], "why_not": ""})";
}

}  // namespace

extern "C" TRAINHOST_API std::size_t trainhost_probe_v1(const char* libtorch, char* json,
                                                        std::size_t capacity) {
  const std::string text = answer(libtorch);
  if (text.size() > capacity) return 0;
  std::memcpy(json, text.data(), text.size());
  return text.size();
}
