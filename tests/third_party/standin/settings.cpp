#include "settings.h"

#include <cstdlib>
#include <sstream>

namespace standin {
namespace {

std::string variable(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? "" : text;
}

int number(const char* name, int otherwise) {
  const std::string text = variable(name);
  return text.empty() ? otherwise : std::atoi(text.c_str());
}

bool lists(const char* name, int index) {
  std::istringstream list(variable(name));
  for (std::string entry; std::getline(list, entry, ',');) {
    if (entry == std::to_string(index)) return true;
  }
  return false;
}

}  // namespace

int device_count() { return number("STANDIN_DEVICES", 2); }

std::size_t memory_bytes(int index) {
  if (lists("STANDIN_FULL", index)) return 0;
  return static_cast<std::size_t>(number("STANDIN_MEMORY_MB", 4096)) << 20;
}

bool is_busy(int index) { return lists("STANDIN_BUSY", index); }

bool are_apart() { return !variable("STANDIN_APART").empty(); }

std::string why_not() {
  const std::string driver = variable("STANDIN_DRIVER");
  if (driver == "none") return "no stand-in driver";
  if (driver == "old")
    return "the stand-in driver is too old: it serves 1.0, this plugin needs 2.0";
  if (driver == "incomplete") return "the stand-in driver lacks a library: libstandin_math.so.1";
  if (device_count() < 1) return "the stand-in driver finds no device";
  return "";
}

}  // namespace standin
