// A rank that trains nothing: it speaks the protocol of a real one, or breaks it as it is told.
//
// FAKE_RANK: "RANK:BEHAVIOUR" pairs separated by commas; a rank that is not named is "done".
// FAKE_BUSY: "KIND:INDEX" of devices that do not open, separated by commas; FAKE_APART: a kind
// whose devices cannot be connected. FAKE_STEPS (default 4) and FAKE_STEP_MS (default 1) say how
// long "done" takes.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "host/checkpoint/manifest.h"
#include "host/launch/control.h"
#include "host/launch/opening.h"
#include "host/launch/rank_environment.h"
#include "host/telemetry/event_writer.h"

namespace {

using namespace trainhost;

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

std::string behaviour_of(int rank) {
  std::string rest = variable("FAKE_RANK", "");
  const std::string mine = std::to_string(rank) + ":";
  while (!rest.empty()) {
    const std::string entry = rest.substr(0, rest.find(','));
    if (entry.rfind(mine, 0) == 0) return entry.substr(mine.size());
    rest.erase(0, std::min(rest.size(), entry.size() + 1));
  }
  return "done";
}

/// The kind of device that the plan was placed on.
std::string device_kind(const std::string& plan_file) {
  std::ostringstream plan;
  plan << std::ifstream(plan_file).rdbuf();
  const std::string mark = "\"device_kind\": \"", text = plan.str();
  const std::size_t at = text.find(mark);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + mark.size();
  return text.substr(begin, text.find('"', begin) - begin);
}

struct Fake {
  launch::RankEnvironment environment;
  launch::Control& control;
  telemetry::EventWriter& events;

  void summary(bool interrupted) {
    events.send(telemetry::Summary{.rank = environment.rank,
                                   .peak_memory_mb = 10.0 + environment.rank,
                                   .interrupted = interrupted,
                                   .json = environment.rank == 0 ? R"({"fake": true})" : ""});
  }

  int fail(Failure failure, const std::string& what) {
    events.send(telemetry::failed(
        environment.rank,
        Error(failure, {.where = "fake", .what = what, .fix = "this is a test"})));
    control.abort_signal().raise(environment.rank);
    return static_cast<int>(failure);
  }

  void save(long step) {
    if (environment.rank != 0 || environment.run_directory.empty()) return;
    const std::string folder =
        environment.run_directory + "/checkpoints/step-" + std::to_string(step);
    std::filesystem::create_directories(folder);
    checkpoint::Manifest manifest;
    manifest.position.global_steps = {step};
    std::ofstream(folder + "/manifest.json") << checkpoint::to_json(manifest);
    events.send(telemetry::Checkpoint{folder, 0, step, 0.01});
  }

  void evaluation(long step) {
    events.send(telemetry::Evaluation{.epoch = 0,
                                      .global_step = step,
                                      .split = "validation",
                                      .metrics = {{"recall@20", 0.25, 0.125}, {"ndcg@20", 0.5}},
                                      .watched = "recall@20",
                                      .best = 0.25,
                                      .is_best = true,
                                      .seconds = 0.5});
  }

  int train() {
    const long steps = std::stol(variable("FAKE_STEPS", "4"));
    const std::chrono::milliseconds pause(std::stol(variable("FAKE_STEP_MS", "1")));
    const long first = environment.resume.empty() ? 0 : 100;
    if (environment.rank == 0) {
      events.send(telemetry::Ready{.parameters = 1000,
                                   .parameter_bytes = 4000,
                                   .units = 2,
                                   .epochs = 1,
                                   .objectives = {{"cf", steps, steps * 8}},
                                   .facts = {{"graph", "7 nodes"}}});
    }
    for (long step = 1; step <= steps; ++step) {
      control.doing(environment.control_slot, "training, step " + std::to_string(step));
      if (step == 1) events.log(Host::Level::kInfo, environment.rank, "trains");
      std::this_thread::sleep_for(pause);
      if (control.abort_signal().raised()) return fail(Failure::kRankLost, "another rank was lost");
      if (environment.rank == 0) {
        events.send(telemetry::Step{.objective = "cf",
                                    .epoch = 0,
                                    .step = step,
                                    .steps = steps,
                                    .global_step = first + step,
                                    .loss = 1.0 / step,
                                    .lr = 0.001,
                                    .samples_per_s = 8000,
                                    .step_ms = 1,
                                    .data_wait_ms = 0});
      }
      if (control.stop_signal() == 0) continue;
      save(first + step);
      summary(true);
      return 0;
    }
    if (environment.rank == 0) evaluation(first + steps);
    save(first + steps);
    summary(false);
    return 0;
  }

  int flood() {
    for (int i = 0; i < 40000; ++i) {
      events.send(telemetry::Step{.objective = "cf", .step = i, .steps = 40000});
    }
    return train();
  }

  void write_garbage() {
    const std::string lines = "no json\n{\"event\":\"step\"}\n{\"event\":\"unknown\"}\n[[[[\n" +
                              std::string(3 << 20, 'x') + "\n\n\xff\xfe\n";
    for (std::size_t at = 0; at < lines.size();) {
      const ssize_t written = write(environment.events_fd, lines.data() + at, lines.size() - at);
      if (written > 0) at += static_cast<std::size_t>(written);
    }
  }

  [[noreturn]] void hang() {
    control.doing(environment.control_slot, "hanging");
    while (true) pause();
  }

  /// 0 where the devices open.
  int open() {
    const std::string kind = device_kind(environment.plan_file);
    const std::string busy = "," + variable("FAKE_BUSY", "") + ",";
    for (const int index : environment.device_indices) {
      control.doing(environment.control_slot, launch::opening_device(index));
      if (busy.find("," + kind + ":" + std::to_string(index) + ",") == std::string::npos) continue;
      return fail(Failure::kDevice, "it is busy");
    }
    const std::size_t devices =
        static_cast<std::size_t>(environment.world) * environment.device_indices.size();
    if (devices == 1 || variable("FAKE_APART", "none") != kind) return 0;
    control.doing(environment.control_slot, launch::kConnectingDevices);
    return fail(Failure::kDevice, "no way between them");
  }

  int run(const std::string& behaviour) {
    if (const int code = open(); code != 0) return code;
    control.doing(environment.control_slot, "behaving: " + behaviour);
    if (behaviour == "exit3") return 3;
    if (behaviour == "silent") return 0;
    if (behaviour == "error") return fail(Failure::kUser, "the data is wrong");
    if (behaviour == "full") return fail(Failure::kDevice, "the device has no memory left");
    if (behaviour == "blame") return fail(Failure::kRankLost, "rank 1 did not come");
    if (behaviour == "blame-later") {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      return fail(Failure::kRankLost, "rank 1 did not come");
    }
    if (behaviour == "kill9") kill(getpid(), SIGKILL);
    if (behaviour == "abort") std::abort();
    if (behaviour == "stopped") kill(getpid(), SIGSTOP);
    if (behaviour == "hang") hang();
    if (behaviour == "flood") return flood();
    if (behaviour == "garbage") write_garbage();
    if (behaviour == "chatty") {
      std::printf("to stdout\n");
      std::fflush(stdout);
      std::fprintf(stderr, "to stderr\x1b[2J\nwithout end of line");
    }
    if (behaviour == "dies-talking") {
      std::fprintf(stderr, "the reason is this\n");
      kill(getpid(), SIGUSR1);
    }
    return train();
  }
};

}  // namespace

int main() {
  try {
    const auto environment = launch::RankEnvironment::from_environment();
    launch::die_with_parent(environment.parent);
    launch::Control control = launch::Control::attach(environment.control_fd);
    telemetry::EventWriter events(environment.events_fd);
    events.log(Host::Level::kInfo, environment.rank, "pid " + std::to_string(getpid()));
    const int code = Fake{environment, control, events}.run(behaviour_of(environment.rank));
    std::fflush(nullptr);
    return code;
  } catch (const Error& error) {
    std::fprintf(stderr, "fake_rank: %s\n", error.what());
    return 9;
  }
}
