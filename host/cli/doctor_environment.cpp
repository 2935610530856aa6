#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "host/cli/doctor.h"
#include "host/launch/foreign.h"
#include "host/recipe/text.h"
#include "trainhost/error.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;
using Status = Finding::Status;

const std::vector<std::string> kOwnVariables = {"TRAINHOST_LIBTORCH", "TRAINHOST_PLUGIN_PATH",
                                                "TRAINHOST_CACHE"};
// Of the scripts in a source tree.
const std::vector<std::string> kScriptVariables = {"TRAINHOST_BUILD_DIR", "TRAINHOST_DATA",
                                                   "TRAINHOST_JOBS", "TRAINHOST_SKIP_APT",
                                                   "TRAINHOST_TEST_JOBS"};

struct Known {
  const char *name, *effect;
};

constexpr std::array kKnown = {
    Known{"CUDA_VISIBLE_DEVICES", "hides the other NVIDIA GPUs"},
    Known{"NVIDIA_VISIBLE_DEVICES", "what a container was given of the NVIDIA GPUs"},
    Known{"CUDA_LAUNCH_BLOCKING", "every kernel is waited for"},
    Known{"NCCL_TIMEOUT", "seconds that a collective of GPUs waits, instead of train.timeout"},
    Known{"ZE_AFFINITY_MASK", "hides the other Intel GPUs"},
    Known{"ONEAPI_DEVICE_SELECTOR", "hides the other Intel GPUs"},
    Known{"OMP_NUM_THREADS", "not looked at: a rank has train.threads, or cores / ranks"},
    Known{"MKL_NUM_THREADS", "not looked at: a rank has train.threads, or cores / ranks"},
    Known{"LD_PRELOAD", "is loaded into the ranks too"},
    Known{"LD_LIBRARY_PATH", "looked through after LibTorch's folders"},
    Known{"XDG_CACHE_HOME", "where the cache is"},
    Known{"NO_COLOR", "no colours"},
};
constexpr std::array kPrefixes = {
    Known{"NCCL_", "settings of NCCL"},        Known{"TORCH_", "settings of LibTorch"},
    Known{"PYTORCH_", "settings of LibTorch"}, Known{"ATEN_", "settings of LibTorch"},
    Known{"KMP_", "settings of OpenMP"},       Known{"GOMP_", "settings of OpenMP"},
    Known{"DNNL_", "settings of oneDNN"},      Known{"ONEDNN_", "settings of oneDNN"},
};

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

Finding examine_own(const std::string& name, const std::string& value) {
  const std::string text = name + "=" + value;
  if (among(kOwnVariables, name)) return {Status::kOk, "variable", text, ""};
  if (among(kScriptVariables, name)) {
    return {Status::kOk, "variable", text + ": for the scripts of a source tree", ""};
  }
  const std::string near = recipe::nearest(name, kOwnVariables);
  return {Status::kWarn, "variable",
          text + ": not one of trainhost's" +
              (near.empty() ? std::string() : "; did you mean " + near + "?"),
          "unset " + name};
}

// Values that make a machine look as if it had no GPU, or slow.
Finding examine_known(const Known& known, const std::string& value) {
  Finding out{Status::kOk, "variable", fmt::format("{}={}: {}", known.name, value, known.effect),
              ""};
  const std::string_view name = known.name;
  const bool hides_all = name == "CUDA_VISIBLE_DEVICES" && (value.empty() || value == "-1");
  const bool blocks = name == "CUDA_LAUNCH_BLOCKING" && value != "0" && !value.empty();
  if (hides_all) out.text = fmt::format("{}={}: hides every NVIDIA GPU", name, value);
  if (hides_all || blocks) {
    out.status = Status::kWarn;
    out.fix = fmt::format("unset {}", name);
  }
  return out;
}

void examine_variables(const launch::Environment& environment, Section& out) {
  const std::size_t before = out.findings.size();
  for (const auto& [name, value] : environment) {
    if (name.starts_with("TRAINHOST_")) {
      out.findings.push_back(examine_own(name, value));
      continue;
    }
    const auto known = std::ranges::find(kKnown, name, &Known::name);
    if (known != kKnown.end()) {
      out.findings.push_back(examine_known(*known, value));
      continue;
    }
    for (const Known& prefix : kPrefixes) {
      if (!name.starts_with(prefix.name)) continue;
      out.findings.push_back(
          {Status::kOk, "variable", fmt::format("{}={}: {}", name, value, prefix.effect), ""});
    }
  }
  if (out.findings.size() == before) {
    out.findings.push_back({Status::kOk, "variables", "none that change what happens", ""});
  }
}

Finding examine_launcher(const launch::Environment& environment) {
  try {
    const auto placed = launch::find_foreign_placement(environment);
    if (placed) {
      return {Status::kOk, "launcher",
              fmt::format("{}: rank {} of {}, {} of {} on this machine, rank 0 at {}:{}",
                          placed->launcher, placed->rank, placed->world, placed->local_rank,
                          placed->local_world, placed->master_address, placed->master_port),
              ""};
    }
  } catch (const Error& error) {
    const Error::Text& text = error.text();
    return {Status::kWarn, "launcher",
            fmt::format("{}: {}; expected: {}; got: {}", text.where, text.what, text.expected,
                        text.got),
            text.fix};
  }
  if (environment.contains("SLURM_JOB_ID")) {
    return {Status::kOk, "launcher",
            "a Slurm job, outside of any step: trainhost starts the ranks "
            "of this machine itself; srun trainhost RECIPE uses all of the job's",
            ""};
  }
  return {Status::kOk, "launcher", "none: trainhost starts the ranks itself", ""};
}

std::string value_of(const launch::Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

// As the ranks choose it.
std::string cache_folder(const launch::Environment& environment) {
  if (const auto named = value_of(environment, "TRAINHOST_CACHE"); !named.empty()) return named;
  if (const auto base = value_of(environment, "XDG_CACHE_HOME"); !base.empty()) {
    return base + "/trainhost";
  }
  const std::string home = value_of(environment, "HOME");
  return (home.empty() ? "/tmp" : home) + "/.cache/trainhost";
}

// Looks, and makes nothing: a folder that is not there yet is judged by the one it would be made
// in.
Finding examine_folder(const std::string& name, const fs::path& folder, const std::string& fix) {
  std::error_code ignored;
  const fs::path whole = fs::absolute(folder, ignored).lexically_normal();
  fs::path at = whole;
  while (!fs::exists(at, ignored) && at.has_relative_path()) at = at.parent_path();
  if (!fs::is_directory(at, ignored)) {
    return {Status::kWarn, name, at.string() + " is no folder", fix};
  }
  if (access(at.c_str(), W_OK | X_OK) != 0) {
    return {Status::kWarn, name, at.string() + " cannot be written", fix};
  }
  return {Status::kOk, name, whole.string() + (at == whole ? "" : " (will be made)"), ""};
}

}  // namespace

Section examine_environment(const Surroundings& here) {
  Section out{"environment", {examine_launcher(here.environment)}};
  out.findings.push_back(
      examine_folder("run folder", here.run_folder, "name another with --run-dir DIR"));
  out.findings.push_back(
      examine_folder("cache folder", cache_folder(here.environment), "export TRAINHOST_CACHE=DIR"));
  examine_variables(here.environment, out);
  return out;
}

}  // namespace trainhost::cli
