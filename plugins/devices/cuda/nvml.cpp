#include "cuda/nvml.h"

#include <dlfcn.h>

#include <limits>

namespace cuda {
namespace {

template <class Function>
Function find(void* library, const char* symbol) {
  return reinterpret_cast<Function>(::dlsym(library, symbol));
}

constexpr int kOfTheGpu = 0;  // NVML_TEMPERATURE_GPU

}  // namespace

Nvml::Nvml(const std::string& bus_id) {
  library_ = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) return;
  const auto init = find<int (*)()>(library_, "nvmlInit_v2");
  const auto get = find<int (*)(const char*, void**)>(library_, "nvmlDeviceGetHandleByPciBusId_v2");
  rates_ = find<int (*)(void*, Rates*)>(library_, "nvmlDeviceGetUtilizationRates");
  power_ = find<int (*)(void*, unsigned*)>(library_, "nvmlDeviceGetPowerUsage");
  temperature_ = find<int (*)(void*, int, unsigned*)>(library_, "nvmlDeviceGetTemperature");
  const auto shutdown = find<int (*)()>(library_, "nvmlShutdown");
  if (init == nullptr || get == nullptr || shutdown == nullptr || init() != 0) return;
  shutdown_ = shutdown;
  if (get(bus_id.c_str(), &device_) != 0) device_ = nullptr;
}

Nvml::~Nvml() {
  if (shutdown_ != nullptr) shutdown_();
  if (library_ != nullptr) ::dlclose(library_);
}

double Nvml::utilisation() const {
  Rates rates = {};
  if (device_ == nullptr || rates_ == nullptr || rates_(device_, &rates) != 0) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return static_cast<double>(rates.gpu) / 100;
}

trainhost::Gauges Nvml::gauges() const {
  trainhost::Gauges out;
  unsigned value = 0;
  if (device_ == nullptr) return out;
  if (power_ != nullptr && power_(device_, &value) == 0) out.power_watts = value / 1000.0;
  if (temperature_ != nullptr && temperature_(device_, kOfTheGpu, &value) == 0) {
    out.temperature_celsius = value;
  }
  return out;
}

}  // namespace cuda
