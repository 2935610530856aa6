// cpu_probe.so: the cores and the memory of this machine.
#include <algorithm>
#include <cstring>
#include <string>

#include "shared_memory/machine.h"
#include "shared_memory/memory.h"
#include "trainhost/device_probe.h"
#include "trainhost/export.h"
#include "trainhost/plugin.h"

TRAINHOST_PROBE("cpu", "0.1.0")

namespace {

/// Text that needs no escapes in JSON.
std::string plain(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') c = ' ';
  }
  return text;
}

std::string answer() {
  const cpu_set_t allowed = shared_memory::allowed_cores();
  const int cores = shared_memory::core_quota(CPU_COUNT(&allowed));
  return R"({"devices": [{"index": 0, "name": ")" + plain(shared_memory::processor_name()) +
         R"(", "cores": )" + std::to_string(cores) + R"(, "memory_bytes": )" +
         std::to_string(shared_memory::machine_memory().total) + R"(}], "why_not": ""})";
}

}  // namespace

extern "C" TRAINHOST_API std::size_t trainhost_probe_v1(const char* /*libtorch*/, char* json,
                                                        std::size_t capacity) {
  const std::string text = answer();
  if (text.size() > capacity) return 0;
  std::memcpy(json, text.data(), text.size());
  return text.size();
}
