// A save that is killed at each of its system calls in turn leaves a good checkpoint.
//
// Method: a child does the work under ptrace and is killed as it enters its first system call, then
// (on a fresh copy of the run) its second, and so on until it gets through. What it leaves is then
// looked at as a resume would. Kills between system calls leave nothing else behind.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <set>

#include "host/checkpoint/best_folder.h"
#include "host/checkpoint/run_checkpoints.h"
#include "support.h"
#include "trainhost/files.h"

namespace {

using namespace trainhost;
using namespace trainhost::checkpoint;
using namespace trainhost::testing;
namespace fs = std::filesystem;

enum class Child { kKilled, kDone, kNotTraced };

constexpr int kNotTraced = 77;
constexpr int kSystemCall = SIGTRAP | 0x80;

/// Runs `work` in a child, up to its `call`-th system call.
Child run_to_call(int call, const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(kNotTraced);
    ::raise(SIGSTOP);
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status)) return Child::kNotTraced;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
  // Each system call stops the child twice: as it enters and as it leaves.
  for (int stops = 0; stops < 2 * call - 1;) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) {
      REQUIRE(WIFEXITED(status));
      REQUIRE(WEXITSTATUS(status) == 0);
      return Child::kDone;
    }
    if (WSTOPSIG(status) == kSystemCall) ++stops;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return Child::kKilled;
}

/// Calls `look` on a copy of `run` after each possible end of `work`; returns how many there were.
int every_end(const std::string& run, const std::string& copy, const std::function<void()>& work,
              const std::function<void()>& look) {
  for (int call = 1;; ++call) {
    fs::remove_all(copy);
    fs::copy(run, copy, fs::copy_options::recursive);
    const Child child = run_to_call(call, work);
    if (child == Child::kNotTraced) {
      WARN("skipped: processes may not be traced here");
      return 0;
    }
    INFO("killed at system call " << call);
    look();
    if (child == Child::kDone) return call;
  }
}

struct Run {
  Scratch scratch;
  std::string base = scratch / "base", copy = scratch / "run", folder = checkpoints_of(copy);
  State old = some_state(1), fresh = some_state(2);

  Run() {
    make_folder(checkpoints_of(base));
    testing::save(checkpoints_of(base) + "/step-4", old, 4);
  }
  /// In the child: without threads.
  void save(std::int64_t step) const {
    checkpoint::save(folder + "/step-" + std::to_string(step), slices_of(fresh, 0, 1),
                     some_position(step), some_identity(), 0, 1, [] {});
  }
  /// Goes back to the newest checkpoint as a resume does, and returns its step.
  std::int64_t resume() const {
    for (const Found& found : list(folder)) CHECK_NOTHROW(verify(found.path));
    tidy(copy);
    const Chosen chosen = choose(copy, "");
    go_back_to(chosen, copy);
    const std::int64_t step = chosen.manifest.position.total_steps();
    const State loaded = testing::load(chosen.path, old);
    CHECK((equal(loaded, old) || equal(loaded, fresh)));
    for (const auto& entry : fs::directory_iterator(folder)) {
      CHECK(entry.path().filename().string().find('.') == std::string::npos);
    }
    return step;
  }
};

void write_best(const std::string& run, std::int64_t step) {
  const std::string partial = begin_best(run);
  write_text_file(partial + "/model.safetensors", std::to_string(step));
  publish_best(run, "{\"global_step\": " + std::to_string(step) + "}");
}

/// The step of RUN/best, whose two files must agree.
std::string whole_best(const std::string& run) {
  const std::string model = read(run + "/best/model.safetensors");
  CHECK(read(run + "/best/metrics.json") == "{\"global_step\": " + model + "}");
  return model;
}

}  // namespace

TEST_CASE("a save killed at any system call leaves the old checkpoint or the new one") {
  const Run run;
  std::set<std::int64_t> seen;
  const int ends = every_end(
      run.base, run.copy,
      [&] {
        run.save(8);
        remove_old(run.folder, 1);
      },
      [&] { seen.insert(run.resume()); });
  if (ends == 0) return;
  CHECK(ends > 40);
  CHECK(seen == std::set<std::int64_t>{4, 8});
}

TEST_CASE("a save over a checkpoint, killed at any system call, leaves one of the two") {
  const Run run;
  bool old_seen = false, new_seen = false;
  const int ends = every_end(
      run.base, run.copy, [&] { run.save(4); },
      [&] {
        // Whole at any moment, also before anything is tidied up.
        const State loaded = testing::load(run.folder + "/step-4", run.old);
        (equal(loaded, run.fresh) ? new_seen : old_seen) = true;
        CHECK(run.resume() == 4);
      });
  if (ends == 0) return;
  CHECK(old_seen);
  CHECK(new_seen);
}

TEST_CASE("best/ is whole at any moment, and a resume finds the one that belongs to its step") {
  const Run run;
  write_best(run.base, 4);
  std::set<std::string> seen;
  const int ends = every_end(
      run.base, run.copy,
      [&] {
        write_best(run.copy, 6);
        write_best(run.copy, 8);
        run.save(8);
        remove_old(run.folder, 1);
        forget_earlier_best(run.copy);
      },
      [&] {
        seen.insert(whole_best(run.copy));
        const std::int64_t step = run.resume();
        CHECK(whole_best(run.copy) == std::to_string(step));
      });
  if (ends == 0) return;
  CHECK(seen == std::set<std::string>{"4", "6", "8"});
}
