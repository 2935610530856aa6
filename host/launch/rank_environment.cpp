#include "host/launch/rank_environment.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <climits>
#include <string_view>

#include "host/launch/control.h"
#include "trainhost/error.h"

extern char** environ;

namespace trainhost::launch {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& expected,
                         const std::string& got) {
  throw Error(Failure::kUser,
              {.where = "environment",
               .what = name + " does not fit",
               .expected = expected,
               .got = got.empty() ? "nothing" : "'" + got + "'",
               .fix = "trainhost-rank is started by trainhost; run `trainhost RECIPE` instead"});
}

std::string text(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

int integer(std::string_view digits, const std::string& name, int least, int most) {
  int value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || stop != end || value < least || value > most) {
    refuse(name, "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
           std::string(digits));
  }
  return value;
}

int required(const Environment& environment, const std::string& name, int least, int most) {
  return integer(text(environment, name), name, least, most);
}

int optional(const Environment& environment, const std::string& name, int least, int most,
             int otherwise) {
  const std::string value = text(environment, name);
  return value.empty() ? otherwise : integer(value, name, least, most);
}

std::vector<int> indices(const std::string& list) {
  std::vector<int> out;
  std::string_view rest = list;
  while (true) {
    const std::size_t comma = rest.find(',');
    out.push_back(integer(rest.substr(0, comma), "TRAINHOST_DEVICE_INDEX", 0, 1 << 16));
    if (comma == std::string_view::npos || out.size() >= kMaxLocalRanks) return out;
    rest.remove_prefix(comma + 1);
  }
}

void keep_to_this_process(int fd, const char* name) {
  if (fd < 0) return;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) refuse(name, "an open descriptor", std::to_string(fd));
}

}  // namespace

Environment current_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    out.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return out;
}

RankEnvironment RankEnvironment::from(const Environment& environment) {
  constexpr int kManyRanks = 1 << 20;
  constexpr int kManyDescriptors = 1 << 20;
  RankEnvironment out;
  out.plan_file = text(environment, "TRAINHOST_PLAN");
  if (out.plan_file.empty()) refuse("TRAINHOST_PLAN", "the path of a plan.json", "");
  out.world = required(environment, "WORLD_SIZE", 1, kManyRanks);
  out.rank = required(environment, "RANK", 0, out.world - 1);
  out.local_world = required(environment, "LOCAL_WORLD_SIZE", 1, out.world);
  out.local_rank = required(environment, "LOCAL_RANK", 0, out.local_world - 1);
  out.master_address = text(environment, "MASTER_ADDR");
  out.master_port = optional(environment, "MASTER_PORT", 0, 65535, 0);
  if (out.world > 1 && out.master_address.empty()) refuse("MASTER_ADDR", "rank 0's host", "");
  if (out.world > 1 && out.master_port == 0) refuse("MASTER_PORT", "a port from 1 to 65535", "0");
  const std::string agent = text(environment, "TORCHELASTIC_USE_AGENT_STORE");
  out.agent_store = agent == "True" || agent == "true" || agent == "1";
  out.run_directory = text(environment, "TRAINHOST_RUN_DIR");
  out.resume = text(environment, "TRAINHOST_RESUME");
  out.job = text(environment, "TRAINHOST_JOB");
  if (out.job.empty()) out.job = "train";
  out.job_file = text(environment, "TRAINHOST_JOB_FILE");
  out.device_indices = indices(text(environment, "TRAINHOST_DEVICE_INDEX"));
  out.events_fd = required(environment, "TRAINHOST_EVENTS_FD", 0, kManyDescriptors);
  out.control_fd = required(environment, "TRAINHOST_CONTROL_FD", 0, kManyDescriptors);
  out.listen_fd = optional(environment, "TRAINHOST_LISTEN_FD", 0, kManyDescriptors, -1);
  out.control_slot =
      optional(environment, "TRAINHOST_CONTROL_SLOT", 0, kMaxLocalRanks - 1, out.local_rank);
  out.parent = optional(environment, "TRAINHOST_PARENT", 0, INT_MAX, 0);
  return out;
}

RankEnvironment RankEnvironment::from_environment() {
  RankEnvironment out = from(current_environment());
  keep_to_this_process(out.events_fd, "TRAINHOST_EVENTS_FD");
  keep_to_this_process(out.control_fd, "TRAINHOST_CONTROL_FD");
  keep_to_this_process(out.listen_fd, "TRAINHOST_LISTEN_FD");
  return out;
}

Environment RankEnvironment::to_environment() const {
  const auto descriptor = [](int fd) { return fd < 0 ? std::string() : std::to_string(fd); };
  std::string devices;
  for (const int index : device_indices) {
    devices += (devices.empty() ? "" : ",") + std::to_string(index);
  }
  return {{"RANK", std::to_string(rank)},
          {"WORLD_SIZE", std::to_string(world)},
          {"LOCAL_RANK", std::to_string(local_rank)},
          {"LOCAL_WORLD_SIZE", std::to_string(local_world)},
          {"MASTER_ADDR", master_address},
          {"MASTER_PORT", std::to_string(master_port)},
          {"TORCHELASTIC_USE_AGENT_STORE", agent_store ? "True" : "False"},
          {"TRAINHOST_PLAN", plan_file},
          {"TRAINHOST_RUN_DIR", run_directory},
          {"TRAINHOST_RESUME", resume},
          {"TRAINHOST_JOB", job},
          {"TRAINHOST_JOB_FILE", job_file},
          {"TRAINHOST_DEVICE_INDEX", devices},
          {"TRAINHOST_EVENTS_FD", descriptor(events_fd)},
          {"TRAINHOST_CONTROL_FD", descriptor(control_fd)},
          {"TRAINHOST_LISTEN_FD", descriptor(listen_fd)},
          {"TRAINHOST_CONTROL_SLOT", std::to_string(control_slot)},
          {"TRAINHOST_PARENT", std::to_string(parent)}};
}

void die_with_parent(int parent) {
  if (parent == 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the call: then nobody will send the signal.
  if (getppid() != parent) kill(getpid(), SIGKILL);
}

}  // namespace trainhost::launch
