// Doctor: what this machine, this installation and this environment mean for training.
//
// Purpose: looks at everything that decides whether and how a run starts, changes nothing, and
// loads no LibTorch. Owner: the doctor command. Threads: the program's only thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/launch/rank_environment.h"
#include "host/plugins/catalog.h"

namespace trainhost::cli {

/// A line of the report.
struct Finding {
  enum class Status { kOk, kWarn, kMissing };
  Status status = Status::kOk;
  std::string name{};
  std::string text{};
  std::string fix{};  ///< what mends it: a command, or a sentence; may be empty
};

struct Section {
  std::string title{};
  std::vector<Finding> findings{};
};

struct Diagnosis {
  std::vector<Section> sections{};
  std::vector<std::string> device_kinds{};  ///< on which training can work
  std::string obstacle{};                   ///< why it can work on none of them; or ""

  bool can_train() const { return obstacle.empty() && !device_kinds.empty(); }
};

/// Where the doctor looks; tests have their own.
struct Surroundings {
  std::string root{};  ///< before /proc, /sys and /etc
  launch::Environment environment{};
  std::string run_folder = "runs";
};

/// Processor, memory, control groups, limits, disk.
Section examine_machine(const Surroundings& here);
/// Launchers that placed this process, variables that change what happens, folders.
Section examine_environment(const Surroundings& here);

/// The installation: LibTorch, python3's torch, the rank program, plugins, and devices with their
/// links.
Diagnosis examine(const Surroundings& here, plugins::Catalog& catalog);

/// Grouped and aligned, at most `width` columns but for long words; `color`: for a terminal.
std::string render_text(const Diagnosis& diagnosis, std::size_t width, bool color);
/// {"version", "can_train", "devices": […], "obstacle", "sections": [{"title", "findings":
///  [{"status": "ok" | "warn" | "missing", "name", "text", "fix"}]}]}
std::string render_json(const Diagnosis& diagnosis);

}  // namespace trainhost::cli
