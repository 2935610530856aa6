// Real runs that are killed, damaged, out of space or moved to another number of ranks, and
// resumed.
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "host/checkpoint/run_checkpoints.h"
#include "support.h"
#include "trainhost_process.h"

namespace {

using namespace trainhost;
using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

// 37 rows in batches of 12: four steps of each of two objectives, so eight an epoch.
constexpr const char* kRecipe = R"(
local scale = require "trainhost.scale"
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 2 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 3, batch = 12, seed = 5, log_every = 1, keep_checkpoints = 3 },
  scaling = { batch = scale.global },
}
)";

const Arguments kSmallKgat{
    "quickstart.lua",
    "train.log_every=1",
    "train.batch=256",
    "train.epochs=2",
    "model.pretrain.epochs=0",
    "data.synthetic={users=300,items=120,entities=260,relations=4,triples=900,"
    "interactions=5000,seed=3}"};

std::string ranks(int count) { return "devices={\"cpu\",count=" + std::to_string(count) + "}"; }

Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

struct Bench {
  TemporaryFolder folder;
  Bench() { testing::write(folder / "tiny.lua", kRecipe); }

  std::string path(const std::string& run) const { return folder / run; }
  std::string checkpoints(const std::string& run) const {
    return checkpoint::checkpoints_of(path(run));
  }
  Ended start(const Arguments& arguments) const { return testing::run(arguments, folder.path()); }
  /// A new run that ends well.
  void train(const std::string& run, const Arguments& arguments) const {
    const Ended ended = start(arguments + Arguments{"--run-dir", path(run)});
    INFO(ended.output);
    REQUIRE(ended.code == 0);
  }
  Ended resume(const std::string& run, const Arguments& more = {}) const {
    return start(Arguments{"resume", path(run)} + more);
  }
  void resume_well(const std::string& run, const Arguments& more = {}) const {
    const Ended ended = resume(run, more);
    INFO(ended.output);
    REQUIRE(ended.code == 0);
  }
  bool same_bits(const std::string& left, const std::string& right) const {
    return checkpoint_bytes(path(left)) == checkpoint_bytes(path(right));
  }
};

/// What metrics.jsonl says of each step and evaluation, times left out, in the order of its lines.
std::vector<std::string> story(const std::string& run) {
  std::vector<std::string> out;
  std::istringstream lines(testing::read(run + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    std::string kept;
    for (const char* key :
         {"\"epoch\"", "\"step\"", "\"objective\"", "\"loss\"", "\"evaluation\"", "\"is_best\""}) {
      const auto at = line.find(key);
      if (at != std::string::npos) kept += line.substr(at, line.find(",\"", at) - at) + " ";
    }
    out.push_back(kept);
  }
  return out;
}

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

/// The command that a message offers after "trainhost ", without the program.
Arguments offered(const std::string& output) {
  const auto at = output.find("trainhost resume ");
  REQUIRE(at != std::string::npos);
  std::istringstream words(output.substr(at + 10, output.find('\n', at) - at - 10));
  Arguments out;
  for (std::string word; words >> word;) out.push_back(word);
  return out;
}

}  // namespace

TEST_CASE("a damaged checkpoint is refused; the command that is offered ends in the same bits") {
  const Bench bench;
  bench.train("whole", {"tiny.lua"});
  bench.train("run", {"tiny.lua", "train.epochs=2"});
  REQUIRE(names_in(bench.checkpoints("run")) == std::set<std::string>{"step-8", "step-16"});
  const std::string newest = bench.checkpoints("run") + "/step-16";
  std::string expected = "rank-0.safetensors";
  SECTION("truncated") { fs::resize_file(newest + "/rank-0.safetensors", 300); }
  SECTION("a bit flipped in the data") { flip(newest + "/rank-0.safetensors", -5); }
  SECTION("mixed with another checkpoint") {
    fs::copy_file(bench.checkpoints("run") + "/step-8/rank-0.safetensors",
                  newest + "/rank-0.safetensors", fs::copy_options::overwrite_existing);
  }
  SECTION("a missing shard") {
    fs::remove(newest + "/rank-1.safetensors");
    expected = "rank-1.safetensors";
  }
  SECTION("a bit flipped in the manifest") {
    flip(newest + "/manifest.json", 60);
    expected = "manifest.json";
  }
  SECTION("a missing manifest") {
    fs::remove(newest + "/manifest.json");
    expected = "manifest.json";
  }
  const Ended refused = bench.resume("run", {"train.epochs=3"});
  INFO(refused.output);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.output, Contains("step-16/" + expected) && Contains("expected") &&
                                 Contains("the last good checkpoint is step-8"));
  const Ended resumed = bench.start(offered(refused.output) + Arguments{"train.epochs=3"});
  INFO(resumed.output);
  REQUIRE(resumed.code == 0);
  CHECK(bench.same_bits("run", "whole"));
  CHECK(story(bench.path("run")) == story(bench.path("whole")));
  CHECK(names_in(bench.checkpoints("run")) ==
        std::set<std::string>{"step-8", "step-16", "step-24"});
}

TEST_CASE("an older checkpoint can be taken, by name or by path") {
  const Bench bench;
  bench.train("whole", {"tiny.lua"});
  bench.train("run", {"tiny.lua"});
  SECTION("by name") { bench.resume_well("run", {"--checkpoint", "step-8"}); }
  SECTION("by path") {
    bench.resume_well("run", {"--checkpoint", bench.checkpoints("run") + "/step-8/"});
  }
  SECTION("by a path that counts from here") {
    bench.resume_well("run", {"--checkpoint", "./run/checkpoints/step-8"});
  }
  CHECK(bench.same_bits("run", "whole"));
  CHECK(story(bench.path("run")) == story(bench.path("whole")));
  CHECK(testing::read(bench.path("run") + "/best/metrics.json") ==
        testing::read(bench.path("whole") + "/best/metrics.json"));
  CHECK(names_in(bench.checkpoints("run")) == names_in(bench.checkpoints("whole")));
  const Ended wrong = bench.resume("run", {"--checkpoint", "step-9"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.output, Contains("one of step-8, step-16, step-24"));
}

TEST_CASE("a run that has ended is resumed to the same end") {
  const Bench bench;
  bench.train("run", {"tiny.lua"});
  const auto before = story(bench.path("run"));
  const std::string best = testing::read(bench.path("run") + "/best/metrics.json");
  bench.resume_well("run");
  CHECK(story(bench.path("run")) == before);
  CHECK(testing::read(bench.path("run") + "/best/metrics.json") == best);
}

TEST_CASE("a run that has stopped early stays so, until it may be more patient") {
  const Bench bench;
  const Arguments longer{"tiny.lua", "train.epochs=6", "train.checkpoint_every=1"};
  bench.train("run", longer + Arguments{"train.early_stop=2"});
  const auto before = story(bench.path("run"));
  REQUIRE(before.size() < 6 * 9);
  bench.resume_well("run");
  CHECK(story(bench.path("run")) == before);
  bench.resume_well("run", {"train.early_stop=0"});
  bench.train("whole", longer);
  CHECK(story(bench.path("run")) == story(bench.path("whole")));
  CHECK(bench.same_bits("run", "whole"));
}

TEST_CASE("a run that goes on is not disturbed by a resume of it") {
  const Bench bench;
  Running running({"tiny.lua", "--run-dir", bench.path("run"), "train.epochs=100000"},
                  bench.folder.path());
  REQUIRE(running.wait_for("epoch 2/"));
  const Ended second = bench.resume("run");
  CHECK(second.code == 2);
  CHECK_THAT(second.output, Contains("another trainhost is training"));
  ::kill(running.pid(), SIGINT);
  const Ended first = running.wait();
  INFO(first.output);
  CHECK(first.code == 130);
}

TEST_CASE("a resume with another batch goes on at the same row") {
  const Bench bench;
  // 2 ranks of 6 rows: four steps of 12 rows; 1 rank of 6 rows: seven steps of 6.
  bench.train("run", {"tiny.lua", "train.batch=6", "scaling={}", "train.max_steps=2"});
  bench.resume_well("run", {"devices=1", "train.max_steps=5"});
  const std::string metrics = testing::read(bench.path("run") + "/metrics.jsonl");
  CHECK_THAT(metrics, Contains("\"epoch_step\":2") && Contains("\"epoch_step\":5") &&
                          Contains("\"epoch_step\":7"));
  CHECK_THAT(metrics, !Contains("\"epoch_step\":3") && !Contains("\"epoch_step\":4"));
}

TEST_CASE("a resume with another seed is refused") {
  const Bench bench;
  bench.train("run", {"tiny.lua"});
  std::string plan = testing::read(bench.path("run") + "/plan.json");
  const auto at = plan.find("\"seed\": 5");
  REQUIRE(at != std::string::npos);
  testing::write(bench.path("run") + "/plan.json", plan.replace(at, 9, "\"seed\": 6"));
  const Ended ended = bench.resume("run");
  INFO(ended.output);
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("another seed"));
}

TEST_CASE("any strategy on any number of ranks goes on from what any other has saved") {
  const Bench bench;
  const auto with = [](const std::string& strategy, int count) {
    return Arguments{"strategy=" + strategy, "devices=" + std::to_string(count)};
  };
  const std::vector<Arguments> ways{
      with("single", 1), with("ddp", 2),
      with("dp", 2),     with("ddp", 3),
      with("dp", 1),     with("zero1", 2),
      with("zero2", 3),  with("{\"zero3\",resident_parameters=0}", 4)};
  const Arguments writer = GENERATE_COPY(from_range(ways));
  bench.train("whole", Arguments{"tiny.lua"} + writer);
  const auto whole = losses(bench.path("whole"));
  bench.train("parts", Arguments{"tiny.lua", "train.max_steps=4"} + writer);
  for (const Arguments& reader : ways) {
    INFO(writer[0] << " " << writer[1] << " → " << reader[0] << " " << reader[1]);
    fs::remove_all(bench.path("run"));
    fs::copy(bench.path("parts"), bench.path("run"), fs::copy_options::recursive);
    bench.resume_well("run", Arguments{"train.max_steps=0"} + reader);
    const auto run = losses(bench.path("run"));
    REQUIRE(run.size() == whole.size());
    for (const auto& [step, loss] : whole) {
      INFO(step);
      CHECK(std::abs(run.at(step) - loss) <= 1e-5 * std::abs(loss));
    }
    if (reader == writer) CHECK(bench.same_bits("run", "whole"));
  }
}

TEST_CASE("KGAT stopped in the middle of its second objective goes on, with 2 ranks or with 1") {
  const Bench bench;
  bench.train("whole", kSmallKgat + Arguments{ranks(2)});
  const auto whole = losses(bench.path("whole"));
  long long first_kg = 1000000;
  for (const auto& [step, loss] : whole) {
    if (step.starts_with("kg/")) first_kg = std::min(first_kg, std::stoll(step.substr(3)));
  }
  bench.train("run",
              kSmallKgat + Arguments{ranks(2), "train.max_steps=" + std::to_string(first_kg)});
  fs::copy(bench.path("run"), bench.path("one"), fs::copy_options::recursive);
  bench.resume_well("run", {"train.max_steps=0"});
  CHECK(bench.same_bits("run", "whole"));
  CHECK(losses(bench.path("run")) == whole);
  bench.resume_well("one", {"train.max_steps=0", "devices=1", "strategy=single"});
  const auto one = losses(bench.path("one"));
  REQUIRE(one.size() == whole.size());
  for (const auto& [step, loss] : whole) {
    INFO(step);
    CHECK(std::abs(one.at(step) - loss) <= 1e-4 * std::abs(loss));
  }
  // And back again, from the end of the first epoch.
  bench.resume_well("one", {"--checkpoint", "step-" + std::to_string(whole.size() / 2), "devices=2",
                            "strategy=ddp"});
  CHECK(losses(bench.path("one")).size() == whole.size());
}

TEST_CASE("a save that finds no room ends the run, and the last checkpoint goes on") {
  const Bench bench;
  const Arguments large = kSmallKgat + Arguments{ranks(2), "model.embed_dim=512"};
  bench.train("whole", large);
  bench.train("run", large + Arguments{"train.epochs=1"});
  Ended ended;
  {
    // Room for logs, the memory that ranks share and the best model; not for the shard of rank 0.
    const FileSizeLimit limit(5000000);
    ended = bench.resume("run", {"train.epochs=2", "train.timeout=5"});
  }
  INFO(ended.output);
  CHECK(ended.code == 1);
  CHECK_THAT(ended.output, Contains("rank-0.safetensors") && Contains("File too large") &&
                               Contains("ulimit -f") && Contains("trainhost resume"));
  CHECK(names_in(bench.checkpoints("run")).size() == 1);
  CHECK(processes_with(bench.folder.path()) == 0);
  bench.resume_well("run");
  CHECK(bench.same_bits("run", "whole"));
}

TEST_CASE("a full disk ends the run, and the last checkpoint goes on") {
  const Bench bench;
  const std::string disk = bench.folder / "disk";
  fs::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=1000k") != 0) {
    WARN("skipped: a small disk cannot be mounted here");
    return;
  }
  struct Unmount {
    const std::string& disk;
    ~Unmount() { ::umount2(disk.c_str(), MNT_DETACH); }
  } const unmount{disk};
  bench.train("whole", kSmallKgat + Arguments{ranks(2), "train.epochs=8"});
  const Ended ended =
      bench.start(kSmallKgat + Arguments{ranks(2), "train.epochs=8", "--run-dir", disk + "/run"});
  INFO(ended.output);
  CHECK(ended.code == 1);
  CHECK_THAT(ended.output, Contains("No space left on device") && Contains("room for") &&
                               Contains("free on that file system") &&
                               Contains("what was saved before is untouched"));
  CHECK(processes_with(bench.folder.path()) == 0);
  REQUIRE(::mount("none", disk.c_str(), "tmpfs", MS_REMOUNT, "size=50m") == 0);
  const Ended resumed = bench.resume("disk/run");
  INFO(resumed.output);
  REQUIRE(resumed.code == 0);
  CHECK(bench.same_bits("disk/run", "whole"));
}

TEST_CASE("a summary that cannot be written does not hide how the run ended") {
  const Bench bench;
  fs::create_directories(bench.path("run") + "/summary.json.new");
  const Arguments arguments{"tiny.lua", "--run-dir", bench.path("run")};
  SECTION("badly") {
    const Ended ended =
        bench.start(arguments + Arguments{"model.fault=throw", "model.fault_step=1"});
    CHECK(ended.code == 5);
    CHECK_THAT(ended.output, Contains("a fault on request") && Contains("summary.json"));
  }
  SECTION("well") {
    const Ended ended = bench.start(arguments);
    CHECK(ended.code == 1);
    CHECK_THAT(ended.output, Contains("done in") && Contains("summary.json"));
  }
}
