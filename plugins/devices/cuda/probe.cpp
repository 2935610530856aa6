// cuda_probe.so: the NVIDIA GPUs of this machine, or the first reason why none can be used.
//
// It speaks to the driver alone (libcuda.so.1, by dlopen), creates no context, and declares the few
// driver functions itself, so that it builds without CUDA. CUDA_VISIBLE_DEVICES is obeyed by
// cuInit.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "cuda/needed.h"
#include "trainhost/device_probe.h"
#include "trainhost/export.h"
#include "trainhost/plugin.h"

TRAINHOST_PROBE("cuda", "0.1.0")

namespace {

using Result = int;  // CUresult
constexpr Result kNoDevice = 100, kDriverMismatch = 803;
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76;  // CUdevice_attribute
constexpr const char* kNoDevices = R"({"devices": [])";
/// The first release without kernels for GPUs older than Turing (7.5).
constexpr int kTuringOnly = 13;

/// The driver's functions; `missing` names the first that it lacks.
struct Driver {
  Result (*init)(unsigned) = nullptr;
  Result (*version)(int*) = nullptr;
  Result (*error_name)(Result, const char**) = nullptr;
  Result (*count)(int*) = nullptr;
  Result (*get)(int*, int) = nullptr;
  Result (*name)(char*, int, int) = nullptr;
  Result (*memory)(std::size_t*, int) = nullptr;
  Result (*attribute)(int*, int, int) = nullptr;  // may be missing
  const char* missing = nullptr;

  explicit Driver(void* library) {
    find(library, "cuInit", init);
    find(library, "cuDriverGetVersion", version);
    find(library, "cuGetErrorName", error_name);
    find(library, "cuDeviceGetCount", count);
    find(library, "cuDeviceGet", get);
    find(library, "cuDeviceGetName", name);
    find(library, "cuDeviceTotalMem_v2", memory);
    attribute = reinterpret_cast<decltype(attribute)>(::dlsym(library, "cuDeviceGetAttribute"));
  }

 private:
  template <class Function>
  void find(void* library, const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, symbol));
    if (function == nullptr && missing == nullptr) missing = symbol;
  }
};

std::string no_gpu() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible == nullptr) return "the NVIDIA driver finds no GPU";
  return "no GPU is visible (CUDA_VISIBLE_DEVICES=" + std::string(visible) + ")";
}

std::string why_init_failed(const Driver& driver, Result result) {
  if (result == kNoDevice) return no_gpu();
  if (result == kDriverMismatch) {
    return "the NVIDIA kernel driver and libcuda.so.1 are of different versions (reboot, or "
           "reinstall the driver)";
  }
  const char* name = nullptr;
  driver.error_name(result, &name);
  return "the NVIDIA driver does not start: " +
         std::string(name == nullptr ? "error " + std::to_string(result) : name);
}

/// "" where this LibTorch can use a driver of this version (13010 is 13.1). `needed`: the CUDA that
/// it wants, 0 where it does not say.
std::string why_libtorch_cannot(const std::string& libtorch, int version, int& needed) {
  if (libtorch.empty()) return "";  // the host reports that itself
  const std::filesystem::path library = std::filesystem::path(libtorch) / "lib/libtorch_cuda.so";
  if (!std::filesystem::exists(library)) {
    return "this LibTorch has no CUDA (no libtorch_cuda.so in " + libtorch + "/lib)";
  }
  needed = cuda::needed_cuda_major(library.string());
  if (needed == 0 || version / 1000 >= needed) return "";
  return "the NVIDIA driver is too old: it serves CUDA " + std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10) + ", this LibTorch needs CUDA " +
         std::to_string(needed);
}

/// Whether the loader will find it: beside LibTorch, in the packages beside that, or in the system.
bool can_be_found(const std::string& name, const std::filesystem::path& libtorch) {
  std::error_code error;
  if (std::filesystem::exists(libtorch / "lib" / name, error)) return true;
  const std::filesystem::path packages = libtorch.parent_path() / "nvidia";
  for (const auto& package : std::filesystem::directory_iterator(packages, error)) {
    if (std::filesystem::exists(package.path() / "lib" / name, error)) return true;
  }
  void* const library = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library != nullptr) ::dlclose(library);
  return library != nullptr;
}

/// "" where all is there that LibTorch's CUDA half needs.
std::string what_libtorch_lacks(const std::string& libtorch) {
  if (libtorch.empty()) return "";
  const std::filesystem::path folder = std::filesystem::path(libtorch).lexically_normal();
  for (const std::string& name :
       cuda::needed_nvidia_libraries((folder / "lib/libtorch_cuda.so").string())) {
    if (can_be_found(name, folder)) continue;
    return "this LibTorch lacks a library of its CUDA half: " + name + " (in " + libtorch +
           "); name a complete one with TRAINHOST_LIBTORCH: pip install torch brings all of it";
  }
  return "";
}

/// Text that needs no escapes in JSON.
std::string plain(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') c = ' ';
  }
  return text;
}

std::string none(const std::string& reason) {
  return std::string(kNoDevices) + R"(, "why_not": ")" + plain(reason) + "\"}";
}

/// 75 for compute capability 7.5; 0 where the driver does not say.
int capability(const Driver& driver, int device) {
  int major = 0, minor = 0;
  if (driver.attribute == nullptr) return 0;
  if (driver.attribute(&major, kCapabilityMajor, device) != 0) return 0;
  if (driver.attribute(&minor, kCapabilityMinor, device) != 0) return 0;
  return 10 * major + minor;
}

std::string capability_text(int value) {
  return std::to_string(value / 10) + "." + std::to_string(value % 10);
}

/// `least`: the compute capability from which a device is of use.
std::string devices(const Driver& driver, int count, int least) {
  std::string list, too_old;
  for (int index = 0; index < count; ++index) {
    int device = 0;
    char name[256] = {};
    std::size_t bytes = 0;
    if (driver.get(&device, index) != 0 || driver.name(name, sizeof(name), device) != 0 ||
        driver.memory(&bytes, device) != 0) {
      return none("the NVIDIA driver does not describe GPU " + std::to_string(index));
    }
    const int able = capability(driver, device);
    if (able != 0 && able < least) {
      too_old = plain(name) + " is too old: it has compute capability " + capability_text(able) +
                ", this LibTorch needs " + capability_text(least) + " or later";
      continue;
    }
    list += (list.empty() ? R"({"index": )" : R"(, {"index": )") + std::to_string(index) +
            R"(, "name": ")" + plain(name) + R"(", "memory_bytes": )" + std::to_string(bytes);
    if (able != 0) list += R"(, "compute_capability": ")" + capability_text(able) + "\"";
    list += "}";
  }
  if (list.empty()) return none(too_old);
  return R"({"devices": [)" + list + R"(], "why_not": ""})";
}

/// The library stays loaded: the driver does not survive being unloaded once it was started.
std::string answer(const std::string& libtorch) {
  void* const library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return none("no NVIDIA driver (libcuda.so.1 not found)");
  const Driver driver(library);
  if (driver.missing != nullptr) {
    return none("the NVIDIA driver is too old: libcuda.so.1 lacks " + std::string(driver.missing));
  }
  if (const Result result = driver.init(0); result != 0) {
    return none(why_init_failed(driver, result));
  }
  int count = 0, version = 0, needed = 0;
  if (driver.count(&count) != 0 || count == 0) return none(no_gpu());
  driver.version(&version);
  const std::string reason = why_libtorch_cannot(libtorch, version, needed);
  if (!reason.empty()) return none(reason);
  const std::string found = devices(driver, count, needed >= kTuringOnly ? 75 : 0);
  const std::string lacking = what_libtorch_lacks(libtorch);
  return found.starts_with(kNoDevices) || lacking.empty() ? found : none(lacking);
}

}  // namespace

extern "C" TRAINHOST_API std::size_t trainhost_probe_v1(const char* libtorch, char* json,
                                                        std::size_t capacity) {
  const std::string text = answer(libtorch);
  if (text.size() > capacity) return 0;
  std::memcpy(json, text.data(), text.size());
  return text.size();
}
