// trainhost doctor: of the test's tree, and of machines made of files.
#include "host/cli/doctor.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "host/cli/control_group.h"
#include "host/cli/needed_libraries.h"
#include "program.h"

using namespace trainhost_test;
using Catch::Contains;
using nlohmann::json;
namespace cli = trainhost::cli;

namespace {

json diagnosis(const Workplace& place, const Variables& variables = {}) {
  return json::parse(run(place, {"doctor", "--json"}, variables).out);
}

/// The first finding of that name; null where there is none.
json finding(const json& diagnosis, const std::string& name) {
  for (const json& section : diagnosis["sections"]) {
    for (const json& entry : section["findings"]) {
      if (entry["name"] == name) return entry;
    }
  }
  return {};
}

cli::Finding finding(const cli::Section& section, const std::string& name) {
  for (const cli::Finding& entry : section.findings) {
    if (entry.name == name) return entry;
  }
  return {.status = cli::Finding::Status::kMissing, .name = "no such finding"};
}

/// A file below the workplace's "root", as /proc and /sys have it.
void write_below(const Workplace& place, const std::string& file, const std::string& text) {
  const std::filesystem::path path = "root/" + file;
  std::filesystem::create_directories(place / path.parent_path().string());
  place.write(path.string(), text);
}

}  // namespace

TEST_CASE("a machine on which training can work") {
  const Workplace place;
  const Ended ended = run(place, {"doctor"});
  INFO(ended.out);
  CHECK(ended.code == 0);
  CHECK(ended.err.empty());
  CHECK_THAT(ended.out, Contains("machine\n") && Contains("\ndevices\n") &&
                            Contains("\ninstallation\n") && Contains("\nenvironment\n"));
  CHECK_THAT(ended.out, Contains("  ok       cpu 0            fake CPU, 8.0 GB\n") &&
                            Contains("2.11.0 for CPU, in ") &&
                            Contains("training can work on cpu\n"));
  CHECK_THAT(ended.out, !Contains("\x1b"));
  CHECK_FALSE(place.has("runs"));
}

TEST_CASE("for scripts the diagnosis is JSON") {
  const Workplace place;
  const json told = diagnosis(place);
  CHECK(told["version"] == TRAINHOST_VERSION);
  CHECK(told["can_train"] == true);
  CHECK(told["devices"] == json::array({"cpu"}));
  CHECK(told["obstacle"].is_null());
  for (const char* name : {"system", "processor", "SIMD", "memory", "control group",
                           "locked memory", "open files", "disk", "trainhost", "LibTorch",
                           "rank program", "launcher", "run folder", "cache folder"}) {
    INFO(name);
    CHECK(finding(told, name)["text"].is_string());
  }
  CHECK(finding(told, "strategies")["text"] == "fake");
  CHECK(finding(told, "models")["status"] == "ok");
}

TEST_CASE("without LibTorch training cannot work") {
  const Workplace place;
  const Variables none = {{"TRAINHOST_LIBTORCH", "/nowhere"}};
  const Ended ended = run(place, {"doctor"}, none);
  CHECK(ended.code == 4);
  CHECK_THAT(ended.out, Contains("missing  LibTorch") &&
                            Contains("fix: set TRAINHOST_LIBTORCH=DIR") &&
                            Contains("training cannot work here: there is no usable LibTorch"));
  const json told = diagnosis(place, none);
  CHECK(told["can_train"] == false);
  CHECK(told["obstacle"] == "there is no usable LibTorch");
  CHECK(finding(told, "LibTorch")["status"] == "missing");
}

TEST_CASE("variables that are misspelt or hide devices are warned of") {
  const Workplace place;
  CHECK_THAT(run(place, {"doctor"}, {{"TRAINHOST_LIBTROCH", "/x"}}).out,
             Contains("did you mean") && Contains("fix: unset TRAINHOST_LIBTROCH"));
  CHECK_THAT(run(place, {"doctor"}, {{"CUDA_VISIBLE_DEVICES", "-1"}}).out,
             Contains("hides every NVIDIA GPU") && Contains("fix: unset CUDA_VISIBLE_DEVICES"));
  const Ended ended = run(place, {"doctor"}, {{"CUDA_VISIBLE_DEVICES", "0,1"}});
  CHECK_THAT(ended.out, Contains("ok       variable") && Contains("CUDA_VISIBLE_DEVICES=0,1"));
}

TEST_CASE("variables that NCCL and LibTorch look at are told, with what they do") {
  const Workplace place;
  const Ended ended = run(place, {"doctor"},
                          {{"NCCL_TIMEOUT", "1800"},
                           {"NCCL_P2P_DISABLE", "1"},
                           {"PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"}});
  CHECK_THAT(
      ended.out,
      Contains("NCCL_TIMEOUT=1800: seconds that a collective of GPUs waits") &&
          Contains("NCCL_P2P_DISABLE=1: settings of NCCL") &&
          Contains("PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True: settings of LibTorch"));
}

TEST_CASE("a launcher's variables are read as a run would read them") {
  const Workplace place;
  Variables placed = {{"RANK", "1"},
                      {"WORLD_SIZE", "2"},
                      {"LOCAL_RANK", "1"},
                      {"LOCAL_WORLD_SIZE", "2"},
                      {"MASTER_ADDR", "node7"},
                      {"MASTER_PORT", "29511"}};
  CHECK(finding(diagnosis(place, placed), "launcher")["text"] ==
        "torchrun: rank 1 of 2, 1 of 2 on this machine, rank 0 at node7:29511");
  placed["RANK"] = "7";
  const json broken = finding(diagnosis(place, placed), "launcher");
  CHECK(broken["status"] == "warn");
  CHECK_THAT(broken["text"].get<std::string>(), Contains("RANK does not fit"));
  CHECK(finding(diagnosis(place), "launcher")["text"] == "none: trainhost starts the ranks itself");
}

TEST_CASE("links between GPUs are told as NVML knows them") {
  const Workplace place;
  Variables variables = {{"TRAINHOST_PLUGIN_PATH", TRAINHOST_TEST_CUDA},
                         {"LD_LIBRARY_PATH", TRAINHOST_TEST_CUDA "/nvml"}};
  const json told = diagnosis(place, variables);
  CHECK(told["devices"] == json::array({"cpu", "cuda"}));
  CHECK(finding(told, "cuda 2")["text"] == "fake GPU, 16.0 GB");
  CHECK(finding(told, "cuda links")["text"] ==
        "0–1: NVLink (4 links a GPU); 0–2, 1–2: PCIe across NUMA nodes");
  const Ended listed = run(place, {"plugins", "--devices"}, variables);
  CHECK_THAT(listed.out, Contains("links  0–1: NVLink (4 links a GPU); 0–2, 1–2: PCIe"));
  const Ended without = run(place, {"plugins"}, variables);
  CHECK_THAT(without.out, !Contains("NVLink"));
  variables["FAKE_NVML"] = "broken";
  const json broken = finding(diagnosis(place, variables), "cuda links");
  CHECK(broken["status"] == "warn");
  CHECK(broken["text"] == "not known: NVML does not start (error 9)");
}

TEST_CASE("a refused plugin is named with its reason") {
  const Workplace place;
  place.write("broken.so", "no ELF file");
  const json refused =
      finding(diagnosis(place, {{"TRAINHOST_PLUGIN_PATH", place / ""}}), "refused plugin");
  CHECK(refused["status"] == "warn");
  CHECK_THAT(refused["text"].get<std::string>(), Contains("broken.so: "));
}

TEST_CASE("libraries that would not be found are named") {
  const std::string needy = TRAINHOST_TEST_NEEDY "/fake_needy.so";
  CHECK(cli::missing_libraries(needy, {}) == std::vector<std::string>{"libfake_needed.so"});
  CHECK(cli::missing_libraries(needy, {TRAINHOST_TEST_NEEDY "/needed"}).empty());
  const Workplace place;
  std::filesystem::create_directories(place / "torch/lib");
  std::filesystem::copy_file(needy, place / "torch/lib/libtorch_cpu.so");
  place.write("torch/version.py", "__version__ = '2.11.0'\n");
  const Ended ended = run(place, {"doctor"}, {{"TRAINHOST_LIBTORCH", place / "torch"}});
  CHECK(ended.code == 4);
  CHECK_THAT(ended.out, Contains("not found: libfake_needed.so") &&
                            Contains("LibTorch does not find the libraries it needs"));
}

TEST_CASE("a terminal gets colours, unless the user wants none") {
  const Workplace place;
  CHECK_THAT(Program(place, {"doctor"}, {}, true).wait().err,
             Contains("\x1b[32mok     \x1b[0m") && Contains("\x1b[1mmachine"));
  CHECK_THAT(Program(place, {"doctor"}, {{"NO_COLOR", "1"}}, true).wait().err, !Contains("\x1b["));
}

TEST_CASE("the report of a machine made of files") {
  const Workplace place;
  write_below(place, "etc/os-release", "NAME=x\nPRETTY_NAME=\"Test OS 1\"\n");
  write_below(place, "proc/cpuinfo",
              "model name\t: Test CPU\nflags\t\t: fpu avx2 fma avx512f avx512bw avx512vl\n"
              "model name\t: another\n");
  write_below(place, "proc/meminfo",
              "MemTotal: 8000000 kB\nMemAvailable: 1000000 kB\nSwapTotal: 0 kB\n");
  write_below(place, "proc/self/cgroup", "0::/a/b\n");
  write_below(place, "sys/fs/cgroup/a/memory.max", "3000000000\n");
  write_below(place, "sys/fs/cgroup/a/memory.current", "2500000000\n");
  write_below(place, "sys/fs/cgroup/a/b/memory.max", "max\n");
  write_below(place, "sys/fs/cgroup/a/b/cpu.max", "10000 100000\n");
  const cli::Section machine =
      cli::examine_machine({.root = place / "root", .run_folder = place / "runs/deep"});
  CHECK_THAT(finding(machine, "system").text, Catch::StartsWith("Test OS 1, Linux "));
  CHECK_THAT(finding(machine, "processor").text, Catch::StartsWith("Test CPU, "));
  CHECK(finding(machine, "SIMD").text == "AVX-512, AVX2");
  const cli::Finding memory = finding(machine, "memory");
  CHECK(memory.text == "1.0 GB free of 8.2 GB, swap none");
  CHECK(memory.status == cli::Finding::Status::kWarn);
  const cli::Finding group = finding(machine, "control group");
  CHECK(group.text == "memory at most 3.0 GB, 2.5 GB of it in use, 0.1 cores' time");
  CHECK(group.status == cli::Finding::Status::kWarn);
  CHECK_THAT(group.fix, Contains("sbatch --mem") && Contains("ranks times threads be at most 1 "));
  CHECK_THAT(finding(machine, "disk").text, Contains("GB free for "));
}

TEST_CASE("control groups of version 1 limit too") {
  const Workplace place;
  write_below(place, "proc/self/cgroup", "5:memory:/job\n4:cpu,cpuacct:/job\nnonsense\n");
  write_below(place, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "4000000000\n");
  write_below(place, "sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1000\n");
  write_below(place, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write_below(place, "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "150000\n");
  write_below(place, "sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  write_below(place, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  const cli::GroupLimits limits = cli::read_group_limits(place / "root");
  CHECK(limits.memory_bytes == 4000000000);
  CHECK(limits.memory_used == 1000);
  CHECK(limits.cores == 1.5);
  const cli::GroupLimits none = cli::read_group_limits(place / "nowhere");
  CHECK(none.memory_bytes == -1);
  CHECK(none.cores == -1);
}

TEST_CASE("folders are looked at, not made") {
  const Workplace place;
  const auto look = [&place](const std::string& runs) {
    const cli::Section section = cli::examine_environment(
        {.environment = {{"TRAINHOST_CACHE", place / "cache"}}, .run_folder = runs});
    CHECK(finding(section, "cache folder").text == place / "cache (will be made)");
    return finding(section, "run folder");
  };
  CHECK(look(place / "a/b").text == place / "a/b (will be made)");
  CHECK_FALSE(place.has("a"));
  const cli::Finding blocked = look(place / "fake.lua/runs");
  CHECK(blocked.status == cli::Finding::Status::kWarn);
  CHECK_THAT(blocked.text, Contains("fake.lua is no folder"));
  CHECK_THAT(blocked.fix, Contains("--run-dir"));
  if (geteuid() == 0) return;  // who may write everywhere
  std::filesystem::create_directory(place / "locked");
  std::filesystem::permissions(place / "locked", std::filesystem::perms::owner_read);
  CHECK_THAT(look(place / "locked").text, Contains("cannot be written"));
}

TEST_CASE("long texts are broken under their column") {
  const cli::Diagnosis told{
      .sections = {{"machine",
                    {{cli::Finding::Status::kWarn, "disk",
                      "one two three four five six seven eight", "nine ten eleven twelve"}}}},
      .device_kinds = {"cpu"},
      .obstacle = ""};
  CHECK(cli::render_text(told, 48, false) ==
        "machine\n"
        "  warn     disk  one two three four five six\n"
        "                 seven eight\n"
        "                 fix: nine ten eleven twelve\n"
        "\n"
        "training can work on cpu\n");
}
