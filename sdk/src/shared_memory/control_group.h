// The control groups (cgroup) that limit this process, of either version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shared_memory {

struct ControlGroup {
  std::string folder;  ///< under /sys/fs/cgroup
  int version = 2;
};

/// The group of this process for "memory" or "cpu" and all groups above it, innermost first. In a
/// container that hides them, the outermost that is visible.
std::vector<ControlGroup> control_groups(const std::string& controller);

/// The first number in a file; nothing where there is none ("max").
std::optional<std::int64_t> number_in(const std::string& file);

/// The number that follows a word at the beginning of a line ("MemTotal:  123 kB").
std::optional<std::int64_t> number_after(const std::string& file, const std::string& word);

}  // namespace shared_memory
