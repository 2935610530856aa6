// A Level Zero loader without hardware. FAKE_ZE: "RESULT,DRIVERS,DEVICES": what zeInit returns, how
// many drivers there are, and how many devices each has.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "trainhost/export.h"

namespace {

struct Settings {
  int result = 0;
  unsigned drivers = 0, devices = 0;

  Settings() {
    const char* const text = std::getenv("FAKE_ZE");
    if (text != nullptr) std::sscanf(text, "%d,%u,%u", &result, &drivers, &devices);
  }
};

int list(std::uint32_t* count, void** handles, unsigned there) {
  if (handles == nullptr || *count > there) *count = there;
  for (std::uint32_t i = 0; handles != nullptr && i < *count; ++i) handles[i] = handles;
  return 0;
}

}  // namespace

extern "C" {

TRAINHOST_API int zeInit(std::uint32_t /*flags*/) { return Settings().result; }
TRAINHOST_API int zeDriverGet(std::uint32_t* count, void** drivers) {
  return list(count, drivers, Settings().drivers);
}
TRAINHOST_API int zeDeviceGet(void* /*driver*/, std::uint32_t* count, void** devices) {
  return list(count, devices, Settings().devices);
}
}
