// standin_probe.so: the devices that the environment pretends.
#include <cstring>
#include <string>

#include "settings.h"
#include "trainhost/device_probe.h"
#include "trainhost/export.h"
#include "trainhost/plugin.h"

TRAINHOST_PROBE("org.example.standin", "1.0.0")

namespace {

std::string answer() {
  const std::string reason = standin::why_not();
  if (!reason.empty()) return R"({"devices": [], "why_not": ")" + reason + "\"}";
  std::string list;
  for (int index = 0; index < standin::device_count(); ++index) {
    list += (list.empty() ? R"({"index": )" : R"(, {"index": )") + std::to_string(index) +
            R"(, "name": "stand-in", "memory_bytes": )" +
            std::to_string(standin::memory_bytes(index)) + "}";
  }
  return R"({"devices": [)" + list + R"(], "why_not": ""})";
}

}  // namespace

extern "C" TRAINHOST_API std::size_t trainhost_probe_v1(const char* /*libtorch*/, char* json,
                                                        std::size_t capacity) {
  const std::string text = answer();
  if (text.size() > capacity) return 0;
  std::memcpy(json, text.data(), text.size());
  return text.size();
}
