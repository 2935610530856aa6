// The probe of the broken device: it is always there.
#include "trainhost/device_probe.h"

#include <cstring>
#include <string_view>

#include "trainhost/export.h"
#include "trainhost/plugin.h"

TRAINHOST_PROBE("broken_device", "1.0.0")

extern "C" TRAINHOST_API std::size_t trainhost_probe_v1(const char* /*libtorch*/, char* json,
                                                        std::size_t capacity) {
  constexpr std::string_view kAnswer =
      R"({"devices": [{"index": 0, "name": "broken", "memory_bytes": -1}], "why_not": ""})";
  if (kAnswer.size() > capacity) return 0;
  std::memcpy(json, kAnswer.data(), kAnswer.size());
  return kAnswer.size();
}
