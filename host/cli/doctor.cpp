#include "host/cli/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "host/cli/installed_files.h"
#include "host/cli/needed_libraries.h"
#include "host/cli/nvml_links.h"
#include "host/launch/libtorch.h"
#include "host/plugins/places.h"
#include "host/plugins/report.h"
#include "host/recipe/text.h"
#include "trainhost/error.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;
using Status = Finding::Status;

// Makers on the PCI bus.
constexpr const char *kNvidia = "0x10de", *kIntel = "0x8086";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// What of LibTorch matters to devices, told by its files.
Finding describe_libtorch(const launch::LibTorch& libtorch) {
  const fs::path lib = fs::path(libtorch.folder) / "lib";
  std::string kinds = "CPU";
  if (is_there(lib / "libtorch_cuda.so")) kinds += ", CUDA";
  if (is_there(lib / "libtorch_xpu.so")) kinds += ", XPU";
  return {Status::kOk, "LibTorch",
          fmt::format("{} for {}, in {} (found by {})", libtorch.version, kinds, libtorch.folder,
                      libtorch.found_by),
          ""};
}

std::optional<launch::LibTorch> find_libtorch(const Surroundings& here, Section& out) {
  try {
    const auto found = launch::find_libtorch(here.environment, libtorch_records());
    out.findings.push_back(describe_libtorch(found));
    return found;
  } catch (const Error& error) {
    const Error::Text& text = error.text();
    out.findings.push_back(
        {Status::kMissing, "LibTorch",
         fmt::format("{}: expected {}, got {}", text.what, text.expected, text.got), text.fix});
    return std::nullopt;
  }
}

// A LibTorch that was copied without the packages beside it is found, and does not load. What
// libtorch_cuda.so needs matters only where there is a GPU.
void examine_libraries(const launch::LibTorch& libtorch, bool gpu, Section& out,
                       std::string& obstacle) {
  for (const char* name : {"libtorch_cpu.so", "libtorch_cuda.so"}) {
    const bool cuda = name == std::string_view("libtorch_cuda.so");
    const std::string file = libtorch.folder + "/lib/" + name;
    if (!is_there(file) || (cuda && !gpu)) continue;
    try {
      const auto missing = missing_libraries(file, libtorch.library_path);
      if (missing.empty()) continue;
      out.findings.push_back({Status::kMissing, name, "not found: " + recipe::join(missing, ", "),
                              "install the nvidia-* packages of this torch beside it (pip install "
                              "torch), or export LD_LIBRARY_PATH=DIR of these libraries"});
      if (!cuda && obstacle.empty()) obstacle = "LibTorch does not find the libraries it needs";
    } catch (const Error& error) {
      out.findings.push_back({Status::kWarn, name, error.text().what, "install LibTorch again"});
    }
  }
}

// Worth knowing also where another LibTorch is in use: a user's scripts run with this one.
Finding examine_python_torch(bool needed) {
  try {
    const auto torch = launch::find_libtorch({}, {});
    return {Status::kOk, "python3's torch", torch.version + ", usable, in " + torch.folder, ""};
  } catch (const Error& error) {
    return {needed ? Status::kMissing : Status::kOk, "python3's torch",
            error.text().got + (needed ? "" : " (not needed)"), ""};
  }
}

Finding examine_rank_program(std::string& obstacle) {
  try {
    return {Status::kOk, "rank program", rank_program(), ""};
  } catch (const Error& error) {
    obstacle = "the rank program is missing";
    return {Status::kMissing, "rank program", error.text().where + " is not there",
            error.text().fix};
  }
}

bool is_device(const plugins::PluginRow& row) { return row.kind == "device"; }

// "strategies: ddp, single", a line for each plugin that cannot be used, one for each refused file.
void examine_plugins(const plugins::PluginReport& report, Section& out, std::string& obstacle) {
  for (const char* kind : {"strategy", "model"}) {
    std::vector<std::string> ids;
    for (const auto& row : report.plugins) {
      if (row.kind == kind && row.usable) ids.push_back(row.id);
    }
    const std::string title = kind == std::string_view("strategy") ? "strategies" : "models";
    if (!ids.empty()) {
      out.findings.push_back({Status::kOk, title, recipe::join(ids, ", "), ""});
      continue;
    }
    if (obstacle.empty()) obstacle = "no " + std::string(kind) + " plugin can be used";
    out.findings.push_back({Status::kMissing, title, "none",
                            "build or install trainhost again, or name one with --plugin FILE"});
  }
  for (const auto& row : report.plugins) {
    if (!is_device(row) && !row.usable) {
      out.findings.push_back({Status::kWarn, row.kind + " " + row.id, row.reason, ""});
    }
    for (const std::string& note : row.notes) {
      out.findings.push_back({Status::kOk, row.kind + " " + row.id, note, ""});
    }
  }
  for (const auto& refused : report.refused) {
    out.findings.push_back({Status::kWarn, "refused plugin",
                            refused.file + ": " + recipe::join(refused.reasons, "; "),
                            refused.fix});
  }
  for (const std::string& warning : report.warnings) {
    out.findings.push_back({Status::kWarn, "plugins", warning, ""});
  }
}

// Graphics and compute controllers of a maker on the PCI bus, as the kernel lists them.
int count_on_bus(const Surroundings& here, const std::string& maker) {
  int out = 0;
  std::error_code error;
  const auto first_word = [](const fs::path& file) {
    std::string word;
    std::ifstream(file) >> word;
    return word;
  };
  const std::string folder = here.root + "/sys/bus/pci/devices";
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (first_word(at->path() / "vendor") != maker) continue;
    if (first_word(at->path() / "class").starts_with("0x03")) ++out;
  }
  return out;
}

// A kind of device that cannot be used: the reason, and what mends it from the hardware up.
Finding examine_missing(const Surroundings& here, const std::string& kind,
                        const std::string& reason) {
  Finding out{Status::kMissing, kind, reason, ""};
  const auto says = [&reason](const char* text) { return reason.find(text) != std::string::npos; };
  const bool cuda = kind == "cuda";
  if (!cuda && kind != "xpu") return out;
  if (says("is visible")) {
    out.fix = "unset CUDA_VISIBLE_DEVICES, or name devices that exist";
  } else if (count_on_bus(here, cuda ? kNvidia : kIntel) == 0) {
    out.text += fmt::format("; this machine shows no {} GPU", cuda ? "NVIDIA" : "Intel");
  } else if (says("plugin is installed") || says("refused")) {
    out.fix = "build or install trainhost with its " + kind + " plugin";
  } else if (says("this LibTorch has no")) {
    out.fix =
        fmt::format("export TRAINHOST_LIBTORCH=DIR of a LibTorch with {}", cuda ? "CUDA" : "XPU");
  } else if (cuda) {
    out.fix = "apt-get install nvidia-driver, and reboot; in a container: docker run --gpus all";
  } else {
    out.fix =
        "apt-get install libze1 intel-level-zero-gpu; in a container: docker run "
        "--device /dev/dri";
  }
  return out;
}

std::string memory_text(std::int64_t bytes) {
  return bytes <= 0 ? "" : fmt::format(", {:.1f} GB", static_cast<double>(bytes) / 1e9);
}

Finding examine_links() {
  std::string why_not;
  const std::vector<DeviceLink> links = nvml_links(why_not);
  if (links.empty()) return {Status::kWarn, "cuda links", "not known: " + why_not, ""};
  return {Status::kOk, "cuda links", links_text(links), ""};
}

void examine_device(const Surroundings& here, const plugins::PluginRow& row, Section& out) {
  if (!row.usable) {
    out.findings.push_back(examine_missing(here, row.id, row.reason));
    return;
  }
  for (const auto& device : row.devices) {
    out.findings.push_back({Status::kOk, fmt::format("{} {}", row.id, device.index),
                            device.name + memory_text(device.memory_bytes), ""});
  }
  if (row.id == "cuda" && row.devices.size() > 1) out.findings.push_back(examine_links());
}

Section examine_devices(const Surroundings& here, const plugins::PluginReport& report,
                        std::vector<std::string>& kinds) {
  Section out{"devices", {}};
  for (const auto& row : report.plugins) {
    if (!is_device(row)) continue;
    examine_device(here, row, out);
    if (row.usable) kinds.push_back(row.id);
  }
  if (out.findings.empty()) {
    out.findings.push_back({Status::kMissing, "devices", "no device plugin was found",
                            "build or install trainhost again, or name one with --plugin FILE"});
  }
  return out;
}

}  // namespace

Diagnosis examine(const Surroundings& here, plugins::Catalog& catalog) {
  Diagnosis out;
  Section software{
      "installation",
      {{Status::kOk, "trainhost", TRAINHOST_VERSION " in " + plugins::install_prefix(), ""}}};
  const auto libtorch = find_libtorch(here, software);
  if (libtorch) {
    examine_libraries(*libtorch, count_on_bus(here, kNvidia) > 0, software, out.obstacle);
  } else {
    out.obstacle = "there is no usable LibTorch";
  }
  software.findings.push_back(examine_python_torch(!libtorch));
  software.findings.push_back(examine_rank_program(out.obstacle));
  const plugins::PluginReport report =
      plugins::report_plugins(catalog, libtorch ? libtorch->folder : std::string());
  examine_plugins(report, software, out.obstacle);
  Section devices = examine_devices(here, report, out.device_kinds);
  if (out.obstacle.empty() && out.device_kinds.empty()) out.obstacle = "no device can be used";
  out.sections = {examine_machine(here), std::move(devices), std::move(software),
                  examine_environment(here)};
  return out;
}

}  // namespace trainhost::cli
