// A stand-in for libnvidia-ml.so.1: the GPU "0000:65:00.0" at 93 %, 412.5 W and 61 °C. FAKE_NVML =
// "broken" does not start, "old" has no power sensor.
#include <cstdlib>
#include <string_view>

#include "trainhost/export.h"

namespace {

int open_handles = 0;
int gpu = 0;

std::string_view kind() {
  const char* text = std::getenv("FAKE_NVML");
  return text == nullptr ? "" : text;
}

struct Rates {
  unsigned gpu, memory;
};

constexpr int kNotSupported = 3, kNotFound = 6, kUnknown = 999;

}  // namespace

extern "C" {
TRAINHOST_API int nvmlInit_v2() {
  if (kind() == "broken") return kUnknown;
  ++open_handles;
  return 0;
}
TRAINHOST_API int nvmlShutdown() { return --open_handles < 0 ? kUnknown : 0; }
TRAINHOST_API int fake_open_handles() { return open_handles; }
TRAINHOST_API int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, void** device) {
  if (std::string_view(bus_id) != "0000:65:00.0") return kNotFound;
  *device = &gpu;
  return 0;
}
TRAINHOST_API int nvmlDeviceGetUtilizationRates(void* device, Rates* rates) {
  *rates = {93, 40};
  return device == &gpu ? 0 : kNotFound;
}
TRAINHOST_API int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  if (kind() == "old") return kNotSupported;
  *milliwatts = 412500;
  return device == &gpu ? 0 : kNotFound;
}
TRAINHOST_API int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* degrees) {
  *degrees = 61;
  return device == &gpu && sensor == 0 ? 0 : kNotSupported;
}
}
