#include "host/cli/control_group.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;

// Version 1 writes "no limit" as the largest number of pages.
constexpr double kNoLimit = 1e18;

// The numbers of a file, separated by blanks; "max" is none of them.
std::vector<double> numbers(const fs::path& file) {
  std::ifstream in(file);
  std::vector<double> out;
  for (double value = 0; in >> value;) out.push_back(value);
  return out;
}

std::optional<double> number(const fs::path& file) {
  const std::vector<double> all = numbers(file);
  if (all.empty() || all.front() < 0 || all.front() > kNoLimit) return std::nullopt;
  return all.front();
}

void limit_memory(const fs::path& limit_file, const fs::path& used_file, GroupLimits& out) {
  const std::optional<double> limit = number(limit_file);
  if (!limit || (out.memory_bytes >= 0 && *limit >= static_cast<double>(out.memory_bytes))) return;
  out.memory_bytes = static_cast<std::int64_t>(*limit);
  out.memory_used = static_cast<std::int64_t>(number(used_file).value_or(-1));
}

void limit_cores(double quota, double period, GroupLimits& out) {
  if (quota <= 0 || period <= 0) return;
  const double cores = quota / period;
  if (out.cores < 0 || cores < out.cores) out.cores = cores;
}

// Inside a container the group's own folder may be the mount's root, whatever /proc says.
std::vector<fs::path> folders_upwards(const fs::path& mount, const std::string& group) {
  std::vector<fs::path> out;
  for (fs::path at = group; at.has_relative_path(); at = at.parent_path()) {
    out.push_back(mount / at.relative_path());
  }
  out.push_back(mount);
  return out;
}

void read_version_2(const fs::path& folder, GroupLimits& out) {
  limit_memory(folder / "memory.max", folder / "memory.current", out);
  const std::vector<double> quota = numbers(folder / "cpu.max");
  if (quota.size() == 2) limit_cores(quota[0], quota[1], out);
}

}  // namespace

GroupLimits read_group_limits(const std::string& root) {
  GroupLimits out;
  const fs::path mount = root + "/sys/fs/cgroup";
  std::ifstream in(root + "/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      for (const fs::path& folder : folders_upwards(mount, group)) read_version_2(folder, out);
    }
    if (controllers.find(",memory,") != std::string::npos) {
      for (const fs::path& folder : folders_upwards(mount / "memory", group)) {
        limit_memory(folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes", out);
      }
    }
    if (controllers.find(",cpu,") != std::string::npos) {
      for (const fs::path& folder : folders_upwards(mount / "cpu", group)) {
        limit_cores(number(folder / "cpu.cfs_quota_us").value_or(-1),
                    number(folder / "cpu.cfs_period_us").value_or(-1), out);
      }
    }
  }
  return out;
}

}  // namespace trainhost::cli
