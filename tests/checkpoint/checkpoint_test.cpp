// Saving and loading: any number of ranks, damage of every kind, full disks.
#include "host/checkpoint/checkpoint.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "host/checkpoint/run_checkpoints.h"
#include "support.h"
#include "trainhost/error.h"
#include "trainhost/files.h"

namespace {

using namespace trainhost;
using namespace trainhost::testing;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

/// RUN/checkpoints with step-4 and step-8, each written by two ranks.
struct Run {
  Scratch scratch;
  std::string path = scratch / "run", folder = path + "/checkpoints";
  State old = some_state(1), state = some_state(2);
  Run() {
    make_folder(folder);
    testing::save(folder + "/step-4", old, 4, 2);
    testing::save(folder + "/step-8", state, 8, 2);
  }
  std::string file(const std::string& name) const { return folder + "/step-8/" + name; }
  std::string loading_fails() const {
    return refusal(Failure::kUser, [&] { testing::load(folder + "/step-8", state); });
  }
};

std::string one_rank_save(const std::string& folder, std::vector<StateSlice> state,
                          Failure failure) {
  return refusal(failure, [&] {
    checkpoint::save(folder, state, some_position(4), some_identity(), 0, 1, [] {});
  });
}

}  // namespace

TEST_CASE("what any number of ranks saved is loaded by any other") {
  const Scratch scratch;
  const State state = some_state(1);
  const int writers = GENERATE(1, 2, 5);
  testing::save(scratch / "step-4", state, 4, writers);
  for (const int readers : {1, 2, 3, 7}) {
    INFO(writers << " → " << readers);
    CHECK(equal(testing::load(scratch / "step-4", state, readers), state));
  }
  CHECK(!equal(testing::load(scratch / "step-4", state), some_state(2)));
  CHECK(!fs::exists(scratch / "step-4.partial"));
}

TEST_CASE("position and identity come back") {
  const Scratch scratch;
  const State state = some_state(1);
  testing::save(scratch / "step-4", state, 4, 2);
  std::vector<StateSlice> slices = slices_of(zeros_like(state), 0, 1);
  const checkpoint::Loaded loaded = checkpoint::load(scratch / "step-4", slices, some_identity());
  CHECK(loaded.position.total_steps() == 4);
  CHECK(loaded.position.best_metrics == some_position(4).best_metrics);
  CHECK(loaded.identity.world == 2);
  CHECK(loaded.identity.strategy == "ddp");
}

TEST_CASE("saving over a checkpoint replaces it") {
  const Scratch scratch;
  testing::save(scratch / "step-4", some_state(1), 4, 2);
  testing::save(scratch / "step-4", some_state(2), 4, 3);
  CHECK(equal(testing::load(scratch / "step-4", some_state(1)), some_state(2)));
  CHECK(!fs::exists(scratch / "step-4.partial"));
}

TEST_CASE("replicated tensors are saved once, by rank 0") {
  const Scratch scratch;
  const State state = some_state(1);
  testing::save(scratch / "step-4", state, 4, 2, true);
  CHECK(equal(testing::load(scratch / "step-4", state, 3), state));
  CHECK(fs::file_size(scratch / "step-4/rank-1.safetensors") < 64);
}

TEST_CASE("damage is refused by the file's name, and the last good checkpoint is offered") {
  const Run run;
  const std::string shard = run.file("rank-0.safetensors"), manifest = run.file("manifest.json");
  std::string expected = "rank-0.safetensors";
  SECTION("a shard cut in its data") { fs::resize_file(shard, fs::file_size(shard) - 1); }
  SECTION("a shard cut in its header") { fs::resize_file(shard, 20); }
  SECTION("an empty shard") { fs::resize_file(shard, 0); }
  SECTION("a shard that has grown") { fs::resize_file(shard, fs::file_size(shard) + 1); }
  SECTION("a bit flipped in the data") { flip(shard, -1); }
  SECTION("a bit flipped in the header") { flip(shard, 12, 3); }
  SECTION("a bit flipped in the header's length") { flip(shard, 0); }
  SECTION("the shard of another checkpoint") {
    fs::copy_file(run.folder + "/step-4/rank-0.safetensors", shard,
                  fs::copy_options::overwrite_existing);
  }
  SECTION("the shard of another rank") {
    fs::copy_file(run.file("rank-1.safetensors"), shard, fs::copy_options::overwrite_existing);
  }
  SECTION("a missing shard") { fs::remove(shard); }
  SECTION("a folder in place of a shard") {
    fs::remove(shard);
    fs::create_directory(shard);
  }
  SECTION("a shard that another rank wrote, where only that is damaged") {
    flip(run.file("rank-1.safetensors"), -1);
    expected = "rank-1.safetensors";
  }
  SECTION("no manifest") {
    fs::remove(manifest);
    expected = "manifest.json";
  }
  SECTION("garbage for a manifest") {
    write(manifest, "hello");
    expected = "manifest.json";
  }
  SECTION("a bit flipped in the manifest") {
    flip(manifest, 200, 1);
    expected = "manifest.json";
  }
  SECTION("the manifest of another checkpoint") {
    fs::copy_file(run.folder + "/step-4/manifest.json", manifest,
                  fs::copy_options::overwrite_existing);
  }
  const std::string text = run.loading_fails();
  CHECK_THAT(text, Contains("step-8/" + expected));
  CHECK_THAT(text, Contains("step-4: trainhost resume " + run.path + " --checkpoint step-4"));
  CHECK(equal(testing::load(run.folder + "/step-4", run.old), run.old));
}

TEST_CASE("a checkpoint that is damaged itself is not offered") {
  const Run run;
  testing::save(run.folder + "/step-6", run.old, 6, 1);
  flip(run.file("rank-0.safetensors"), -1);
  flip(run.folder + "/step-6/rank-0.safetensors", -1);
  CHECK_THAT(run.loading_fails(), Contains("--checkpoint step-4"));
  fs::remove(run.folder + "/step-4/manifest.json");
  CHECK_THAT(run.loading_fails(), Contains("no other good checkpoint"));
}

TEST_CASE("a rank reads only the files that it needs") {
  const Run run;
  flip(run.file("rank-0.safetensors"), -1);
  State out = zeros_like(run.state);
  std::vector<StateSlice> last{slices_of(out, 1, 2).front()};
  CHECK_NOTHROW(checkpoint::load(run.folder + "/step-8", last, some_identity()));
}

TEST_CASE("another model, seed or shape is refused, and no other checkpoint is offered for it") {
  const Run run;
  State out = zeros_like(run.state);
  std::vector<StateSlice> slices = slices_of(out, 0, 1);
  checkpoint::Identity identity = some_identity();
  std::string expected;
  SECTION("model") {
    identity.model = "kgat";
    expected = "another model";
  }
  SECTION("seed") {
    identity.seed = 6;
    expected = "another seed";
  }
  SECTION("shape") {
    slices.back().shape = {35};
    expected = "another shape";
  }
  SECTION("a tensor that is not there") {
    slices.back().name = "parameter/c";
    expected = "no tensor 'parameter/c'";
  }
  const std::string text =
      refusal(Failure::kUser, [&] { checkpoint::load(run.folder + "/step-8", slices, identity); });
  CHECK_THAT(text, Contains(expected) && Contains("step-8/manifest.json"));
  CHECK_THAT(text, !Contains("step-4"));
}

TEST_CASE("an optimizer state that does not exist yet stays as it was made") {
  const Run run;
  std::vector<StateSlice> slices = slices_of(zeros_like(run.state), 0, 1);
  slices.push_back({"optimizer/other/exp_avg/a.weight", {2}, 0, at::ones({2}), false});
  CHECK_NOTHROW(checkpoint::load(run.folder + "/step-8", slices, some_identity()));
  CHECK(at::equal(slices.back().data, at::ones({2})));
}

TEST_CASE("a state that is not whole over the ranks is the strategy's fault, and is not kept") {
  const Run run;
  std::vector<StateSlice> slices = slices_of(run.state, 0, 1);
  SECTION("missing") { slices.front().data = slices.front().data.narrow(0, 0, 3); }
  SECTION("twice") {
    slices.push_back(slices.front());
    slices.back().offset = 1;
  }
  const std::string text = one_rank_save(run.folder + "/step-8", slices, Failure::kPlugin);
  CHECK_THAT(text, Contains("strategy 'ddp'") && Contains(slices.front().name));
  CHECK(equal(testing::load(run.folder + "/step-8", run.state), run.state));
  CHECK(!fs::exists(run.folder + "/step-8.partial"));
}

TEST_CASE("a disk without room is an error that names the file, and keeps what was there") {
  const Run run;
  const State large{{"parameter/x", at::zeros({100000})}};
  std::string text;
  {
    const FileSizeLimit limit(65536);
    text = one_rank_save(run.folder + "/step-8", slices_of(large, 0, 1), Failure::kRun);
  }
  CHECK_THAT(text, Contains("step-8.partial/rank-0.safetensors") && Contains("0.4 MB") &&
                       Contains("what was saved before is untouched"));
  CHECK(!fs::exists(run.folder + "/step-8.partial"));
  CHECK(equal(testing::load(run.folder + "/step-8", run.state), run.state));
}

TEST_CASE("a rank that fails in a save lets the others go") {
  const Run run;
  constexpr int kWorld = 3;
  // Rank 1 finds no room. The barrier is like a communicator's: its abort word ends all waits.
  std::mutex mutex;
  std::condition_variable changed;
  int arrived = 0;
  bool aborted = false;
  const auto barrier = [&] {
    std::unique_lock lock(mutex);
    const int round = arrived++ / kWorld;
    changed.notify_all();
    changed.wait(lock, [&] { return aborted || arrived >= (round + 1) * kWorld; });
    if (aborted) throw Error(Failure::kRankLost, {.what = "ended by another rank"});
  };
  std::vector<std::string> failures(kWorld);
  const FileSizeLimit limit(65536);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < kWorld; ++rank) {
    ranks.emplace_back([&, rank] {
      const State state{{"parameter/" + std::to_string(rank), at::zeros({rank == 1 ? 100000 : 9})}};
      try {
        checkpoint::save(run.folder + "/step-8", slices_of(state, 0, 1), some_position(8),
                         some_identity(kWorld), rank, kWorld, barrier);
      } catch (const Error& error) {
        failures[rank] = error.what();
        const std::lock_guard lock(mutex);
        aborted = true;
        changed.notify_all();
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  CHECK_THAT(failures[1], Contains("rank-1.safetensors") && Contains("File too large"));
  CHECK(failures[0] == "ended by another rank");
  CHECK(failures[2] == "ended by another rank");
  CHECK(equal(testing::load(run.folder + "/step-8", run.state), run.state));
}

TEST_CASE("a folder that cannot be made is an error of the run") {
  const Scratch scratch;
  write(scratch / "file", "");
  const std::string text =
      one_rank_save(scratch / "file/step-4", slices_of(some_state(1), 0, 1), Failure::kRun);
  CHECK_THAT(text, Contains("file/step-4.partial"));
}
