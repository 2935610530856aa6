// kill -9 at random moments of a run that saves all the time: nothing is ever lost.
//
// TRAINHOST_TEST_SEED chooses the moments; the seed is printed.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "host/checkpoint/run_checkpoints.h"
#include "support.h"
#include "trainhost_process.h"

namespace {

using namespace trainhost;
using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
namespace fs = std::filesystem;

constexpr int kKills = 50;
constexpr int kLongestMicros = 80000;

constexpr const char* kRecipe = R"(
local scale = require "trainhost.scale"
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 100000, batch = 12, seed = 5, checkpoint_every = 1 },
  scaling = { batch = scale.global },
}
)";

unsigned chosen_seed() {
  const char* text = std::getenv("TRAINHOST_TEST_SEED");
  return text == nullptr ? std::random_device()() : static_cast<unsigned>(std::atoll(text));
}

/// The ranks that a running trainhost has started.
std::vector<pid_t> ranks_of(pid_t parent) {
  const std::string id = std::to_string(parent);
  std::ifstream children("/proc/" + id + "/task/" + id + "/children");
  std::vector<pid_t> out;
  for (pid_t child; children >> child;) out.push_back(child);
  return out;
}

/// Kills a part of a run: all of it, the program that started the ranks, or one rank.
void kill_some(pid_t parent, unsigned choice) {
  const std::vector<pid_t> ranks = ranks_of(parent);
  if (choice == 0) {
    ::kill(-parent, SIGKILL);
  } else if (choice == 1 || ranks.empty()) {
    ::kill(parent, SIGKILL);
  } else {
    ::kill(ranks[choice % ranks.size()], SIGKILL);
  }
}

bool killed_while_saving(const std::string& run) {
  if (fs::exists(run + "/best.partial")) return true;
  for (const auto& entry : fs::directory_iterator(checkpoint::checkpoints_of(run))) {
    if (entry.path().extension() == ".partial") return true;
  }
  return false;
}

}  // namespace

TEST_CASE(
    "a run killed 50 times at random always has a good checkpoint, and ends in the same bits") {
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  testing::write(folder / "tiny.lua", kRecipe);
  const unsigned seed = chosen_seed();
  std::mt19937 random(seed);
  std::printf("TRAINHOST_TEST_SEED=%u\n", seed);
  std::int64_t step = 0, epoch = 0;
  int in_a_save = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    INFO("seed " << seed << ", kill " << kill << ", last step " << step);
    Running running(kill == 0 ? Arguments{"tiny.lua", "--run-dir", run} : Arguments{"resume", run},
                    folder.path());
    // The first one has a checkpoint before it is killed.
    REQUIRE(running.wait_for(kill == 0 ? "epoch 3/" : "epoch "));
    ::usleep(random() % kLongestMicros);
    kill_some(running.pid(), random() % 4);
    running.wait();
    if (killed_while_saving(run)) ++in_a_save;
    const checkpoint::Manifest manifest = checkpoint::verify(checkpoint::choose(run, "").path);
    CHECK(manifest.position.total_steps() >= step);
    step = manifest.position.total_steps();
    epoch = manifest.position.epoch;
  }
  std::printf("%d of %d kills came in the middle of a save; step %lld\n", in_a_save, kKills,
              static_cast<long long>(step));
  CHECK(in_a_save > 0);
  CHECK(step > 16);
  const std::string epochs = "train.epochs=" + std::to_string(epoch + 2);
  const Ended resumed = testing::run({"resume", run, epochs}, folder.path());
  INFO("seed " << seed << "\n" << resumed.output);
  REQUIRE(resumed.code == 0);
  const Ended whole = testing::run({"tiny.lua", "--run-dir", folder / "whole", epochs,
                                    "train.checkpoint_every=0", "train.eval_every=0"},
                                   folder.path());
  REQUIRE(whole.code == 0);
  CHECK(checkpoint_bytes(run) == checkpoint_bytes(folder / "whole"));
  for (const auto& entry : fs::directory_iterator(run)) {
    CHECK(entry.path().filename().string().starts_with("best.") == false);
  }
}
