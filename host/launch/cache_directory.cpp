#include "host/launch/cache_directory.h"

#include <cstdlib>

namespace trainhost::launch {

std::string cache_directory() {
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (!text("TRAINHOST_CACHE").empty()) return text("TRAINHOST_CACHE");
  if (!text("XDG_CACHE_HOME").empty()) return text("XDG_CACHE_HOME") + "/trainhost";
  return (text("HOME").empty() ? "/tmp" : text("HOME")) + "/.cache/trainhost";
}

}  // namespace trainhost::launch
