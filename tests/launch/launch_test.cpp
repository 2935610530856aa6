// Ranks that end well and ranks that do not, under the supervisor.
#include "host/launch/launch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

namespace {

using namespace trainhost;
using launch::Ending;
using namespace std::chrono_literals;

// Remembers everything; tests hook into events.
class Recorder : public launch::Audience {
 public:
  void event(int rank, const telemetry::Event& event) override {
    events.emplace_back(rank, event);
    if (const auto* log = std::get_if<telemetry::Log>(&event)) {
      if (log->text.rfind("pid ", 0) == 0) pids[rank] = std::stoi(log->text.substr(4));
    }
    if (on_event) on_event(rank, event);
  }
  void output(int rank, std::string_view line) override {
    outputs.push_back(std::to_string(rank) + " " + std::string(line));
  }
  void notice(std::string_view text) override { notices.emplace_back(text); }
  void detail(std::string_view text) override { details.emplace_back(text); }
  void tick(bool) override {
    if (on_tick) on_tick();
  }

  template <class E>
  int count(int rank) const {
    int out = 0;
    for (const auto& [from, event] : events) {
      if (from == rank && std::holds_alternative<E>(event)) ++out;
    }
    return out;
  }

  std::vector<std::pair<int, telemetry::Event>> events;
  std::vector<std::string> outputs, notices, details;
  std::map<int, pid_t> pids;
  std::function<void(int, const telemetry::Event&)> on_event;
  std::function<void()> on_tick;
};

launch::LaunchOptions options(int ranks, const std::string& behaviour, int steps = 4) {
  setenv("FAKE_RANK", behaviour.c_str(), 1);
  setenv("FAKE_STEPS", std::to_string(steps).c_str(), 1);
  launch::LaunchOptions out;
  out.rank_program = TRAINHOST_FAKE_RANK;
  out.plan_file = "/nowhere/plan.json";
  out.devices.assign(static_cast<std::size_t>(ranks), {0});
  out.limits = {.stopped_seconds = 0.3, .grace_seconds = 2};
  return out;
}

int open_descriptors() {
  int out = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    (void)entry;
    ++out;
  }
  return out;
}

bool has_children() { return waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr int kLong = 100000;  // steps that no test waits for

}  // namespace

TEST_CASE("ranks that do their work end the run well") {
  Recorder recorder;
  const int before = open_descriptors();
  const Ending ending = launch::launch(options(3, ""), recorder);
  CHECK(ending.outcome == Ending::Outcome::kDone);
  CHECK(ending.exit_code == 0);
  CHECK_FALSE(ending.failure);
  CHECK(ending.peak_memory_mb == std::vector<double>{10, 11, 12});
  CHECK(recorder.count<telemetry::Step>(0) == 4);
  CHECK(recorder.count<telemetry::Summary>(2) == 1);
  CHECK_FALSE(has_children());
  CHECK(open_descriptors() == before);
}

TEST_CASE("a rank that is killed is the one report, and the others end") {
  Recorder recorder;
  const int before = open_descriptors();
  auto tried = options(3, "", kLong);
  recorder.on_event = [&](int rank, const telemetry::Event& event) {
    const auto* log = std::get_if<telemetry::Log>(&event);
    if (rank == 1 && log != nullptr && log->text == "trains") kill(recorder.pids[1], SIGKILL);
  };
  const Ending ending = launch::launch(tried, recorder);
  CHECK(ending.outcome == Ending::Outcome::kFailed);
  CHECK(ending.exit_code == 5);
  REQUIRE(ending.failure);
  CHECK(ending.failure->rank == 1);
  CHECK(contains(ending.failure->text, "rank 1 (pid "));
  CHECK(contains(ending.failure->text, "was killed by SIGKILL"));
  CHECK(contains(ending.failure->text, "training, step"));
  CHECK(recorder.count<telemetry::Failed>(0) == 1);
  CHECK_FALSE(has_children());
  CHECK(open_descriptors() == before);
}

TEST_CASE("a rank's own error keeps its exit code and its words") {
  Recorder recorder;
  const Ending ending = launch::launch(options(2, "1:error", kLong), recorder);
  CHECK(ending.exit_code == 2);
  REQUIRE(ending.failure);
  CHECK(ending.failure->rank == 1);
  CHECK(contains(ending.failure->text, "fake: the data is wrong"));
  CHECK(contains(ending.failure->text, "fix:      this is a test"));
}

TEST_CASE("a rank that ends without a word is lost") {
  Recorder recorder;
  SECTION("with a code") {
    const Ending ending = launch::launch(options(2, "0:exit3", kLong), recorder);
    CHECK(ending.exit_code == 5);
    CHECK(contains(ending.failure->text, "rank 0 (pid "));
    CHECK(contains(ending.failure->text, "ended with exit code 3"));
    CHECK(contains(ending.failure->text, "behaving: exit3"));
  }
  SECTION("cleanly, but too early") {
    const Ending ending = launch::launch(options(2, "1:silent", kLong), recorder);
    CHECK(ending.exit_code == 5);
    CHECK(contains(ending.failure->text, "rank 1"));
    CHECK(contains(ending.failure->text, "ended before the run was finished"));
  }
  SECTION("by abort()") {
    const Ending ending = launch::launch(options(1, "0:abort", kLong), recorder);
    CHECK(ending.exit_code == 5);
    CHECK(contains(ending.failure->text, "was killed by SIGABRT"));
  }
}

TEST_CASE("a rank that is stopped too long is lost") {
  Recorder recorder;
  const Ending ending = launch::launch(options(2, "1:stopped", kLong), recorder);
  CHECK(ending.exit_code == 5);
  REQUIRE(ending.failure);
  CHECK(ending.failure->rank == 1);
  CHECK(contains(ending.failure->text, "was stopped by SIGSTOP and did not go on for 0."));
  CHECK_FALSE(has_children());
}

TEST_CASE("a stopped rank is the cause, also where another one was the first to complain") {
  Recorder recorder;
  auto tried = options(2, "0:blame-later,1:stopped", kLong);
  tried.limits.stopped_seconds = 20;
  const Ending ending = launch::launch(tried, recorder);
  CHECK(ending.exit_code == 5);
  REQUIRE(ending.failure);
  CHECK(ending.failure->rank == 1);
  CHECK(contains(ending.failure->text, "was stopped by SIGSTOP"));
}

TEST_CASE("a rank that is stopped and goes on is not") {
  Recorder recorder;
  auto tried = options(1, "0:stopped");
  tried.limits.stopped_seconds = 20;
  recorder.on_tick = [&] { kill(recorder.pids[0], SIGCONT); };
  const Ending ending = launch::launch(tried, recorder);
  CHECK(ending.outcome == Ending::Outcome::kDone);
}

TEST_CASE("a rank that does not answer is killed with the others, and named") {
  Recorder recorder;
  auto tried = options(3, "0:blame,1:hang", kLong);
  tried.limits.grace_seconds = 0.2;
  const Ending ending = launch::launch(tried, recorder);
  CHECK(ending.exit_code == 5);
  REQUIRE(ending.failure);
  CHECK(contains(ending.failure->text, "rank 1 did not come"));
  CHECK(contains(ending.failure->text, "lost:     rank 1 (pid "));
  CHECK(contains(ending.failure->text, "it was last hanging"));
  CHECK_FALSE(has_children());
}

TEST_CASE("garbage on the pipe of events is told to the log and does no harm") {
  Recorder recorder;
  const Ending ending = launch::launch(options(1, "0:garbage"), recorder);
  CHECK(ending.outcome == Ending::Outcome::kDone);
  CHECK(recorder.details.size() >= 6);
  CHECK(recorder.count<telemetry::Step>(0) == 4);
}

TEST_CASE("a flood of steps is thinned out, the rest arrives") {
  Recorder recorder;
  recorder.on_event = [slow = 0](int, const telemetry::Event&) mutable {
    if (slow++ < 20) std::this_thread::sleep_for(5ms);
  };
  const Ending ending = launch::launch(options(1, "0:flood"), recorder);
  CHECK(ending.outcome == Ending::Outcome::kDone);
  CHECK(recorder.count<telemetry::Summary>(0) == 1);
  CHECK(recorder.count<telemetry::Evaluation>(0) == 1);
  CHECK(recorder.count<telemetry::Dropped>(0) > 0);
}

TEST_CASE("a rank's own output is heard, and told in the report of its end") {
  Recorder recorder;
  SECTION("heard") {
    CHECK(launch::launch(options(2, "1:chatty"), recorder).exit_code == 0);
    CHECK(std::ranges::count(recorder.outputs, "1 to stdout") == 1);
    CHECK(std::ranges::count(recorder.outputs, "1 without end of line") == 1);
  }
  SECTION("told") {
    const Ending ending = launch::launch(options(2, "1:dies-talking", kLong), recorder);
    CHECK(contains(ending.failure->text, "was killed by SIGUSR1"));
    CHECK(contains(ending.failure->text, "its last output:\n    the reason is this"));
  }
}

TEST_CASE("the first interrupt asks for a checkpoint, the second ends the run at once") {
  Recorder recorder;
  SECTION("once") {
    bool sent = false;
    recorder.on_event = [&](int, const telemetry::Event& event) {
      if (!sent && std::holds_alternative<telemetry::Step>(event)) kill(getpid(), SIGINT);
      sent = sent || std::holds_alternative<telemetry::Step>(event);
    };
    const Ending ending = launch::launch(options(2, "", kLong), recorder);
    CHECK(ending.outcome == Ending::Outcome::kInterrupted);
    CHECK(ending.exit_code == 130);
    CHECK(ending.checkpoint_written);
    REQUIRE(recorder.notices.size() == 1);
    CHECK(contains(recorder.notices[0], "again to stop at once"));
  }
  SECTION("SIGTERM") {
    recorder.on_tick = [] { kill(getpid(), SIGTERM); };
    CHECK(launch::launch(options(1, "", kLong), recorder).exit_code == 143);
  }
  SECTION("twice, with a rank that does not listen") {
    int ticks = 0;
    recorder.on_tick = [&] {
      if (++ticks % 2 == 1) kill(getpid(), SIGINT);
    };
    const Ending ending = launch::launch(options(2, "0:hang,1:hang", kLong), recorder);
    CHECK(ending.outcome == Ending::Outcome::kInterrupted);
    CHECK(ending.exit_code == 130);
    CHECK_FALSE(ending.checkpoint_written);
  }
  CHECK_FALSE(has_children());
}

TEST_CASE("a program that cannot be executed is an error") {
  Recorder recorder;
  auto tried = options(2, "");
  const int before = open_descriptors();
  tried.rank_program = "/nowhere/trainhost-rank";
  CHECK_THROWS_WITH(launch::launch(tried, recorder), Catch::Contains("cannot execute"));
  tried.rank_program = TRAINHOST_FAKE_RANK;
  tried.devices.assign(launch::kMaxLocalRanks + 1, {0});
  CHECK_THROWS_WITH(launch::launch(tried, recorder), Catch::Contains("1 to 1024"));
  CHECK(open_descriptors() == before);
  CHECK_FALSE(has_children());
}

TEST_CASE("an audience that throws leaves no rank behind") {
  Recorder recorder;
  const int before = open_descriptors();
  recorder.on_tick = [] { throw Error(Failure::kRun, {.what = "the disk is full"}); };
  CHECK_THROWS_WITH(launch::launch(options(2, "", kLong), recorder), "the disk is full");
  CHECK_FALSE(has_children());
  CHECK(open_descriptors() == before);
}

TEST_CASE("ranks die with a parent that is killed") {
  // Orphans come to this process, so that it can see them end.
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const pid_t parent = fork();
  if (parent == 0) {
    Recorder recorder;
    recorder.on_tick = [&] {
      if (recorder.pids.size() == 2) kill(getpid(), SIGKILL);
    };
    launch::launch(options(2, "0:hang,1:hang"), recorder);
    _exit(1);
  }
  int ended = 0;
  for (int tries = 0; tries < 200 && ended < 3; ++tries) {
    int status = 0;
    if (waitpid(-1, &status, WNOHANG) > 0) {
      ++ended;
      CHECK(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == SIGKILL);
    } else {
      std::this_thread::sleep_for(20ms);
    }
  }
  CHECK(ended == 3);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}
