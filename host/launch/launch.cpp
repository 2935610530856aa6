#include "host/launch/launch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "host/launch/spawn.h"

namespace trainhost::launch {
namespace {

// Enough for the events of a second; the kernel gives less where the user has many pipes.
constexpr int kPipeBytes = 1 << 18;

[[noreturn]] void fail(const std::string& what) {
  throw Error(Failure::kRun, {.where = "launch",
                              .what = what + ": " + std::strerror(errno),
                              .fix = "raise the limit of open files (ulimit -n)"});
}

struct Pipe {
  Descriptor read, write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe");
  fcntl(ends[0], F_SETPIPE_SZ, kPipeBytes);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// Where the ranks of this machine meet: bound here, so that no other program can take the port
// between its choice and its use.
struct MeetingPoint {
  Descriptor socket;
  int port = 0;
};

MeetingPoint open_meeting_point() {
  MeetingPoint out;
  out.socket = Descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!out.socket.open()) fail("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (bind(out.socket.get(), generic, size) != 0) fail("bind to 127.0.0.1");
  if (listen(out.socket.get(), kMaxLocalRanks) != 0) fail("listen on 127.0.0.1");
  if (getsockname(out.socket.get(), generic, &size) != 0) fail("getsockname");
  out.port = ntohs(address.sin_port);
  return out;
}

std::string joined(const std::vector<std::string>& folders, const std::string& rest) {
  std::string out;
  for (const std::string& folder : folders) out += (out.empty() ? "" : ":") + folder;
  if (!rest.empty()) out += (out.empty() ? "" : ":") + rest;
  return out;
}

// What all ranks are told alike.
RankEnvironment common_environment(const LaunchOptions& options, const Control& control) {
  RankEnvironment out;
  out.plan_file = options.plan_file;
  out.run_directory = options.run_directory;
  out.resume = options.resume;
  out.job = options.job;
  out.job_file = options.job_file;
  out.control_fd = control.fd();
  out.parent = getpid();
  out.world = out.local_world = static_cast<int>(options.devices.size());
  return out;
}

StartedRank start(const LaunchOptions& options, RankEnvironment environment,
                  const Signals& signals) {
  Pipe events = make_pipe();
  Pipe output = make_pipe();
  environment.events_fd = events.write.get();
  Environment all = current_environment();
  for (auto& [name, value] : environment.to_environment()) all[name] = value;
  all["LD_LIBRARY_PATH"] = joined(options.library_path, all["LD_LIBRARY_PATH"]);

  SpawnOptions spawned{.program = options.rank_program,
                       .arguments = {},
                       .environment = std::move(all),
                       .inherited = {environment.events_fd, environment.control_fd},
                       .output_fd = output.write.get(),
                       .mask = signals.mask_before()};
  if (environment.listen_fd >= 0) spawned.inherited.push_back(environment.listen_fd);
  return {.rank = environment.rank,
          .slot = environment.control_slot,
          .threads = static_cast<int>(environment.device_indices.size()),
          .pid = spawn(spawned),
          .events = std::move(events.read),
          .output = std::move(output.read)};
}

void start_all(const LaunchOptions& options, const Control& control, const Signals& signals,
               Supervisor& supervisor, Audience& audience) {
  RankEnvironment environment = common_environment(options, control);
  MeetingPoint meeting;
  if (environment.world > 1) {
    meeting = open_meeting_point();
    audience.detail("the ranks meet at 127.0.0.1:" + std::to_string(meeting.port));
  }
  environment.master_port = meeting.port;
  for (int rank = 0; rank < environment.world; ++rank) {
    environment.rank = environment.local_rank = environment.control_slot = rank;
    environment.device_indices = options.devices[static_cast<std::size_t>(rank)];
    environment.listen_fd = rank == 0 ? meeting.socket.get() : -1;
    supervisor.add(start(options, environment, signals));
  }
}

void start_placed(const LaunchOptions& options, const Control& control, const Signals& signals,
                  Supervisor& supervisor) {
  const ForeignPlacement& place = *options.foreign;
  RankEnvironment environment = common_environment(options, control);
  environment.rank = place.rank;
  environment.world = place.world;
  environment.local_rank = place.local_rank;
  environment.local_world = place.local_world;
  environment.master_address = place.master_address;
  environment.master_port = place.master_port;
  environment.agent_store = place.agent_store;
  environment.control_slot = 0;
  environment.device_indices = options.devices.front();
  supervisor.add(start(options, environment, signals));
}

}  // namespace

Ending launch(const LaunchOptions& options, Audience& audience) {
  const int local = options.foreign ? 1 : static_cast<int>(options.devices.size());
  // Ranks that are threads have a slot each too.
  std::size_t slots = static_cast<std::size_t>(local);
  for (const std::vector<int>& of_process : options.devices) {
    slots = std::max(slots, of_process.size());
  }
  const Control control = Control::create(static_cast<int>(slots));
  Signals signals;
  Supervisor supervisor(control, signals, audience, options.limits);
  if (options.foreign) {
    start_placed(options, control, signals, supervisor);
  } else {
    start_all(options, control, signals, supervisor, audience);
  }
  return supervisor.run();
}

}  // namespace trainhost::launch
