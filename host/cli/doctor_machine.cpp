#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "host/cli/control_group.h"
#include "host/cli/doctor.h"
#include "host/launch/placement.h"

namespace trainhost::cli {
namespace {

namespace fs = std::filesystem;
using Status = Finding::Status;

constexpr double kLittleMemory = 2e9;  // below it the smallest runs meet the out-of-memory killer
constexpr double kLittleDisk = 2e9;    // some checkpoints of a small model
constexpr rlim_t kFewFiles = 1024;

std::string gigabytes(double bytes) { return fmt::format("{:.1f} GB", bytes / 1e9); }

// "name : value" or "NAME=value" lines, the first of each name.
std::map<std::string, std::string> read_table(const std::string& file, char separator) {
  std::map<std::string, std::string> out;
  std::ifstream in(file);
  const auto trimmed = [](const std::string& text) {
    const std::size_t begin = text.find_first_not_of(" \t\"");
    if (begin == std::string::npos) return std::string();
    return text.substr(begin, text.find_last_not_of(" \t\"") + 1 - begin);
  };
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    out.emplace(trimmed(line.substr(0, at)), trimmed(line.substr(at + 1)));
  }
  return out;
}

Finding examine_system(const Surroundings& here) {
  utsname kernel{};
  uname(&kernel);
  auto release = read_table(here.root + "/etc/os-release", '=');
  const std::string name =
      release["PRETTY_NAME"].empty() ? "unknown distribution" : release["PRETTY_NAME"];
  return {Status::kOk, "system",
          fmt::format("{}, {} {}, glibc {}", name, kernel.sysname, kernel.release,
                      gnu_get_libc_version()),
          ""};
}

int numa_nodes(const Surroundings& here) {
  int out = 0;
  std::error_code error;
  const std::string folder = here.root + "/sys/devices/system/node";
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.size() > 4 && name.starts_with("node") && name[4] >= '0' && name[4] <= '9') ++out;
  }
  return out;
}

Finding examine_processor(const Surroundings& here, std::map<std::string, std::string> cpu) {
  const int usable = launch::usable_cores();
  const std::string name = cpu["model name"].empty() ? "unknown" : cpu["model name"];
  const int nodes = numa_nodes(here);
  return {Status::kOk, "processor",
          fmt::format("{}, {} core{} usable{}", name, usable, usable == 1 ? "" : "s",
                      nodes > 1 ? fmt::format(", {} NUMA nodes", nodes) : ""),
          ""};
}

Finding examine_simd(std::map<std::string, std::string> cpu) {
  const std::string flags = " " + cpu["flags"] + " ";
  const auto has = [&flags](const char* flag) {
    return flags.find(" " + std::string(flag) + " ") != std::string::npos;
  };
  std::string out;
  const auto add = [&out](const char* name) {
    out += (out.empty() ? "" : ", ") + std::string(name);
  };
  if (has("avx512f") && has("avx512bw") && has("avx512vl")) add("AVX-512");
  if (has("avx2") && has("fma")) add("AVX2");
  if (has("avx512_bf16")) add("AVX-512 bf16");
  if (has("amx_bf16")) add("AMX bf16");
  if (!out.empty()) return {Status::kOk, "SIMD", out, ""};
  return {Status::kWarn, "SIMD", "no AVX2: everything works, several times slower",
          "use a processor of 2013 or later; in a virtual machine, pass the host's model on"};
}

Finding examine_memory(const Surroundings& here) {
  auto table = read_table(here.root + "/proc/meminfo", ':');
  const auto bytes = [&table](const char* key) {
    return std::strtod(table[key].c_str(), nullptr) * 1024;
  };
  const double free = bytes("MemAvailable");
  const std::string swap = bytes("SwapTotal") > 0 ? gigabytes(bytes("SwapTotal")) : "none";
  Finding out{
      Status::kOk, "memory",
      fmt::format("{} free of {}, swap {}", gigabytes(free), gigabytes(bytes("MemTotal")), swap),
      ""};
  if (free < kLittleMemory) {
    out.status = Status::kWarn;
    out.fix = "end other programs, or use fewer ranks and a smaller train.batch";
  }
  return out;
}

Finding examine_groups(const Surroundings& here) {
  const GroupLimits limits = read_group_limits(here.root);
  const int cores = launch::usable_cores();
  Finding out{Status::kOk, "control group", "", ""};
  if (limits.memory_bytes >= 0) {
    const double most = static_cast<double>(limits.memory_bytes);
    const double used = std::max(0.0, static_cast<double>(limits.memory_used));
    out.text = fmt::format("memory at most {}, {} of it in use", gigabytes(most), gigabytes(used));
    if (most - used < kLittleMemory) {
      out.status = Status::kWarn;
      out.fix = "give the container or the job more memory (docker run --memory, sbatch --mem)";
    }
  }
  if (limits.cores >= 0) {
    out.text += fmt::format("{}{:.3g} cores' time", out.text.empty() ? "" : ", ", limits.cores);
    // Threads for cores whose time is not to be had wait for each other.
    if (limits.cores + 0.5 < cores) {
      out.status = Status::kWarn;
      out.fix = fmt::format(
          "{}let ranks times threads be at most {} on the CPU (devices=RANKS "
          "train.threads=THREADS)",
          out.fix.empty() ? "" : out.fix + "; ", std::max(1.0, std::floor(limits.cores)));
    }
  }
  if (out.text.empty()) out.text = "no limits";
  return out;
}

Finding examine_locked_memory() {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) return {Status::kOk, "locked memory", "no limit", ""};
  const std::string text =
      fmt::format("at most {:.3g} MB", static_cast<double>(limit.rlim_cur) / 1e6);
  std::error_code ignored;
  // InfiniBand registers memory; nothing else here locks any.
  const bool infiniband = fs::exists("/sys/class/infiniband", ignored) &&
                          !fs::is_empty("/sys/class/infiniband", ignored);
  if (!infiniband) return {Status::kOk, "locked memory", text, ""};
  return {Status::kWarn, "locked memory", text + ", and NCCL over InfiniBand locks more",
          "ulimit -l unlimited (in a container: --ulimit memlock=-1)"};
}

Finding examine_open_files() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  Finding out{
      Status::kOk, "open files",
      limit.rlim_cur == RLIM_INFINITY ? "no limit" : fmt::format("at most {}", limit.rlim_cur), ""};
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < kFewFiles) {
    out.status = Status::kWarn;
    out.fix = fmt::format("ulimit -n {}", std::min<rlim_t>(4096, limit.rlim_max));
  }
  return out;
}

// The folder itself, or the nearest one above it that is there.
fs::path existing(const fs::path& folder) {
  std::error_code ignored;
  fs::path out = fs::absolute(folder, ignored);
  while (!fs::exists(out, ignored) && out.has_relative_path()) out = out.parent_path();
  return out;
}

Finding examine_disk(const Surroundings& here) {
  struct statvfs space {};
  const fs::path folder = existing(here.run_folder);
  if (statvfs(folder.c_str(), &space) != 0) {
    return {Status::kWarn, "disk", "unknown for " + folder.string(), ""};
  }
  const double free = static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize);
  Finding out{Status::kOk, "disk", fmt::format("{} free for {}/", gigabytes(free), here.run_folder),
              ""};
  if (free < kLittleDisk) {
    out.status = Status::kWarn;
    out.fix = "free some space (old runs: rm -r runs/NAME), or name a folder with --run-dir DIR";
  }
  return out;
}

}  // namespace

Section examine_machine(const Surroundings& here) {
  const auto cpu = read_table(here.root + "/proc/cpuinfo", ':');
  return {
      "machine",
      {examine_system(here), examine_processor(here, cpu), examine_simd(cpu), examine_memory(here),
       examine_groups(here), examine_locked_memory(), examine_open_files(), examine_disk(here)}};
}

}  // namespace trainhost::cli
