#include "host/cli/nvml_links.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <map>
#include <memory>

#include "host/recipe/text.h"

namespace trainhost::cli {
namespace {

// As in nvml.h: what it numbers stays as it is.
using Device = void*;
using Result = int;
constexpr Result kSuccess = 0;
constexpr int kNvlink = 2;  // NVML_P2P_CAPS_INDEX_NVLINK
constexpr unsigned kMostLinks = 18, kMostGpus = 64;

struct Nvml {
  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  Result (*count)(unsigned*) = nullptr;
  Result (*get)(unsigned, Device*) = nullptr;
  Result (*ancestor)(Device, Device, int*) = nullptr;
  Result (*peers)(Device, Device, int, int*) = nullptr;
  Result (*link)(Device, unsigned, int*) = nullptr;
  bool complete = true;

  explicit Nvml(void* library) {
    find(library, "nvmlInit_v2", init);
    find(library, "nvmlShutdown", shutdown);
    find(library, "nvmlDeviceGetCount_v2", count);
    find(library, "nvmlDeviceGetHandleByIndex_v2", get);
    find(library, "nvmlDeviceGetTopologyCommonAncestor", ancestor);
    find(library, "nvmlDeviceGetP2PStatus", peers);
    find(library, "nvmlDeviceGetNvLinkState", link);
  }

 private:
  template <class Function>
  void find(void* library, const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, symbol));
    complete = complete && function != nullptr;
  }
};

int active_links(const Nvml& nvml, Device device) {
  int out = 0;
  for (unsigned number = 0; number < kMostLinks; ++number) {
    int active = 0;
    if (nvml.link(device, number, &active) == kSuccess && active != 0) ++out;
  }
  return out;
}

// nvmlGpuTopologyLevel_t
std::string way_text(int level) {
  switch (level) {
    case 0:
      return "on one board";
    case 10:
      return "PCIe through one switch";
    case 20:
      return "PCIe through several switches";
    case 30:
      return "PCIe through one host bridge";
    case 40:
      return "PCIe within one NUMA node";
    case 50:
      return "PCIe across NUMA nodes";
    default:
      return "";
  }
}

std::string link_text(const Nvml& nvml, Device first, Device second) {
  int status = -1, level = -1;
  if (nvml.peers(first, second, kNvlink, &status) == kSuccess && status == 0) {
    const int links = active_links(nvml, first);
    return links > 0 ? "NVLink (" + std::to_string(links) + " links a GPU)" : "NVLink";
  }
  if (nvml.ancestor(first, second, &level) != kSuccess) return "";
  return way_text(level);
}

std::vector<DeviceLink> ask(const Nvml& nvml) {
  std::vector<Device> devices;
  unsigned count = 0;
  if (nvml.count(&count) != kSuccess) count = 0;
  for (unsigned index = 0; index < count && index < kMostGpus; ++index) {
    Device device = nullptr;
    if (nvml.get(index, &device) == kSuccess) devices.push_back(device);
  }
  std::vector<DeviceLink> out;
  for (std::size_t a = 0; a < devices.size(); ++a) {
    for (std::size_t b = a + 1; b < devices.size(); ++b) {
      const std::string text = link_text(nvml, devices[a], devices[b]);
      out.push_back({static_cast<int>(a), static_cast<int>(b), text.empty() ? "not known" : text});
    }
  }
  return out;
}

}  // namespace

std::vector<DeviceLink> nvml_links(std::string& why_not) {
  const auto unload = [](void* library) { dlclose(library); };
  const std::unique_ptr<void, decltype(unload)> library(
      dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), unload);
  if (!library) {
    why_not = "no NVML (libnvidia-ml.so.1 not found)";
    return {};
  }
  const Nvml nvml(library.get());
  if (!nvml.complete) {
    why_not = "the driver's NVML is too old";
    return {};
  }
  if (const Result result = nvml.init(); result != kSuccess) {
    why_not = "NVML does not start (error " + std::to_string(result) + ")";
    return {};
  }
  std::vector<DeviceLink> out = ask(nvml);
  nvml.shutdown();
  if (out.empty()) why_not = "NVML knows fewer than two GPUs";
  return out;
}

std::string links_text(const std::vector<DeviceLink>& links) {
  std::map<std::string, std::vector<std::string>> pairs;
  for (const DeviceLink& link : links) {
    pairs[link.text].push_back(fmt::format("{}–{}", link.first, link.second));
  }
  std::vector<std::string> out;
  for (const auto& [way, names] : pairs) {
    const bool all = pairs.size() == 1 && names.size() > 1;
    out.push_back((all ? "all pairs" : recipe::join(names, ", ")) + ": " + way);
  }
  return recipe::join(out, "; ");
}

}  // namespace trainhost::cli
