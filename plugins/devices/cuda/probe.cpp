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

/// The driver's functions; `missing` names the first that it lacks.
struct Driver {
  Result (*init)(unsigned) = nullptr;
  Result (*version)(int*) = nullptr;
  Result (*error_name)(Result, const char**) = nullptr;
  Result (*count)(int*) = nullptr;
  Result (*get)(int*, int) = nullptr;
  Result (*name)(char*, int, int) = nullptr;
  Result (*memory)(std::size_t*, int) = nullptr;
  const char* missing = nullptr;

  explicit Driver(void* library) {
    find(library, "cuInit", init);
    find(library, "cuDriverGetVersion", version);
    find(library, "cuGetErrorName", error_name);
    find(library, "cuDeviceGetCount", count);
    find(library, "cuDeviceGet", get);
    find(library, "cuDeviceGetName", name);
    find(library, "cuDeviceTotalMem_v2", memory);
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

/// "" where this LibTorch can use a driver of this version (13010 is 13.1).
std::string why_libtorch_cannot(const std::string& libtorch, int version) {
  if (libtorch.empty()) return "";  // the host reports that itself
  const std::filesystem::path library = std::filesystem::path(libtorch) / "lib/libtorch_cuda.so";
  if (!std::filesystem::exists(library)) {
    return "this LibTorch has no CUDA (no libtorch_cuda.so in " + libtorch + "/lib)";
  }
  const int needed = cuda::needed_cuda_major(library.string());
  if (needed == 0 || version / 1000 >= needed) return "";
  return "the NVIDIA driver is too old: it serves CUDA " + std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10) + ", this LibTorch needs CUDA " +
         std::to_string(needed);
}

/// Text that needs no escapes in JSON.
std::string plain(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') c = ' ';
  }
  return text;
}

std::string none(const std::string& reason) {
  return R"({"devices": [], "why_not": ")" + plain(reason) + "\"}";
}

std::string devices(const Driver& driver, int count) {
  std::string list;
  for (int index = 0; index < count; ++index) {
    int device = 0;
    char name[256] = {};
    std::size_t bytes = 0;
    if (driver.get(&device, index) != 0 || driver.name(name, sizeof(name), device) != 0 ||
        driver.memory(&bytes, device) != 0) {
      return none("the NVIDIA driver does not describe GPU " + std::to_string(index));
    }
    list += (index == 0 ? R"({"index": )" : R"(, {"index": )") + std::to_string(index) +
            R"(, "name": ")" + plain(name) + R"(", "memory_bytes": )" + std::to_string(bytes) + "}";
  }
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
  int count = 0, version = 0;
  if (driver.count(&count) != 0 || count == 0) return none(no_gpu());
  driver.version(&version);
  if (const std::string reason = why_libtorch_cannot(libtorch, version); !reason.empty()) {
    return none(reason);
  }
  return devices(driver, count);
}

}  // namespace

extern "C" TRAINHOST_API std::size_t trainhost_probe_v1(const char* libtorch, char* json,
                                                        std::size_t capacity) {
  const std::string text = answer(libtorch);
  if (text.size() > capacity) return 0;
  std::memcpy(json, text.data(), text.size());
  return text.size();
}
