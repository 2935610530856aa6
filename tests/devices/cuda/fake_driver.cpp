// A stand-in for libcuda.so.1 with compute capabilities: FAKE_CAPABILITIES = "75,90", one a GPU.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "trainhost/export.h"

namespace {

std::vector<int> capabilities() {
  const char* text = std::getenv("FAKE_CAPABILITIES");
  std::istringstream in(text == nullptr ? "" : text);
  std::vector<int> out;
  for (std::string item; std::getline(in, item, ',');) out.push_back(std::atoi(item.c_str()));
  return out;
}

}  // namespace

extern "C" {
TRAINHOST_API int cuInit(unsigned) { return 0; }
TRAINHOST_API int cuDriverGetVersion(int* version) { return *version = 990000, 0; }
TRAINHOST_API int cuDeviceGetCount(int* count) {
  return *count = static_cast<int>(capabilities().size()), 0;
}
TRAINHOST_API int cuDeviceGet(int* device, int index) { return *device = index, 0; }
TRAINHOST_API int cuGetErrorName(int, const char** name) { return *name = nullptr, 0; }
TRAINHOST_API int cuDeviceGetName(char* name, int size, int device) {
  return std::snprintf(name, static_cast<std::size_t>(size), "GPU %c", 'A' + device) > 0 ? 0 : 1;
}
TRAINHOST_API int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
  return *bytes = std::size_t{1} << 30, 0;
}
TRAINHOST_API int cuDeviceGetAttribute(int* value, int attribute, int device) {
  const int capability = capabilities().at(static_cast<std::size_t>(device));
  return *value = attribute == 75 ? capability / 10 : capability % 10, 0;
}
}
