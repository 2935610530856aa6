// A stand-in for libcuda.so.1: FAKE_CUDA = "result of cuInit,number of GPUs,version of the driver".
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "trainhost/export.h"

namespace {

struct Settings {
  int init = 0, count = 0, version = 13000;
};

Settings settings() {
  Settings out;
  if (const char* text = std::getenv("FAKE_CUDA")) {
    if (std::sscanf(text, "%d,%d,%d", &out.init, &out.count, &out.version) != 3) out.init = 999;
  }
  return out;
}

}  // namespace

extern "C" {
TRAINHOST_API int cuInit(unsigned) { return settings().init; }
TRAINHOST_API int cuDriverGetVersion(int* version) { return *version = settings().version, 0; }
TRAINHOST_API int cuDeviceGetCount(int* count) { return *count = settings().count, 0; }
TRAINHOST_API int cuDeviceGet(int* device, int index) { return *device = index + 40, 0; }
TRAINHOST_API int cuGetErrorName(int error, const char** name) {
  return *name = error == 999 ? "CUDA_ERROR_UNKNOWN" : nullptr, 0;
}
TRAINHOST_API int cuDeviceGetName(char* name, int size, int device) {
  return std::snprintf(name, static_cast<std::size_t>(size), "Fake \"T%d\"", device) > 0 ? 0 : 1;
}
TRAINHOST_API int cuDeviceTotalMem_v2(std::size_t* bytes, int device) {
  return *bytes = static_cast<std::size_t>(device) << 30, 0;
}
}
