#include "shared_memory/control_group.h"

#include <fstream>
#include <limits>
#include <sstream>

namespace shared_memory {
namespace {

/// Whether a comma-separated list of controllers names this one.
bool names(const std::string& list, const std::string& controller) {
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) {
    if (name == controller) return true;
  }
  return false;
}

}  // namespace

std::vector<ControlGroup> control_groups(const std::string& controller) {
  std::vector<ControlGroup> groups;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "4:cpu,cpuacct:/a/b", "0::/a/b"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string list = line.substr(first + 1, second - first - 1);
    if (!list.empty() && !names(list, controller)) continue;
    const int version = list.empty() ? 2 : 1;
    const std::string mount = list.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + list;
    std::string path = line.substr(second + 1);
    if (path.find("..") != std::string::npos) path.clear();
    while (!path.empty() && path != "/") {
      groups.push_back({mount + path, version});
      path.resize(path.rfind('/'));
    }
    groups.push_back({mount, version});
  }
  return groups;
}

std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::optional<std::int64_t> number_after(const std::string& path, const std::string& word) {
  std::ifstream file(path);
  for (std::string found; file >> found;) {
    std::int64_t value = 0;
    if (found == word && file >> value) return value;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

}  // namespace shared_memory
