// Real runs of the real programs on a tiny model: worlds that agree, resuming, and failures.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;

constexpr const char* kRecipe = R"(
local scale = require "trainhost.scale"
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 1 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 3, batch = 12, seed = 5, log_every = 1 },
  scaling = { batch = scale.global },
}
)";

constexpr const char* kOffloaded =
    "{\"zero3\",resident_parameters=0,offload_optimizer=true,offload_parameters=true}";

struct Bench {
  TemporaryFolder folder;
  Bench() { std::ofstream(folder / "tiny.lua") << kRecipe; }

  Arguments with(const std::string& run, Arguments more) const {
    Arguments all{"tiny.lua", "--run-dir", folder / run};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::map<std::string, double> losses_of(const std::string& run, Arguments more) const {
    const Ended ended = trainhost::testing::run(with(run, std::move(more)), folder.path());
    INFO(ended.output);
    REQUIRE(ended.code == 0);
    return losses(folder / run);
  }
};

std::string ranks(int count) { return "devices={\"cpu\",count=" + std::to_string(count) + "}"; }

void check_same(const std::map<std::string, double>& left,
                const std::map<std::string, double>& right, double tolerance) {
  REQUIRE(left.size() == right.size());
  REQUIRE(!left.empty());
  for (const auto& [step, loss] : left) {
    INFO(step);
    CHECK(std::abs(right.at(step) - loss) <= tolerance * std::abs(loss));
  }
}

}  // namespace

TEST_CASE("any number of ranks gives the same losses, whatever the optimizer") {
  const Bench bench;
  const Arguments settings =
      GENERATE(Arguments{}, Arguments{"optimizer={\"sgd\",lr=1e-2,momentum=0.9,weight_decay=1e-2}"},
               Arguments{"optimizer={\"adamw\",lr=1e-2,weight_decay=1e-1}", "train.clip_norm=0.5"});
  const std::string strategy = GENERATE(as<std::string>{}, "ddp", "dp", "zero1", "zero2",
                                        "{\"zero3\",resident_parameters=0}", kOffloaded);
  const auto one = bench.losses_of("one", settings);
  REQUIRE(one.size() == 24);
  for (const int world : {2, 3, 4}) {
    Arguments arguments = settings;
    arguments.push_back(ranks(world));
    arguments.push_back("strategy=" + strategy);
    const std::string name = "world" + std::to_string(world);
    check_same(one, bench.losses_of(name, arguments), 1e-5);
  }
}

TEST_CASE("accumulation is the larger batch") {
  const Bench bench;
  const auto whole = bench.losses_of("whole", {});
  check_same(whole, bench.losses_of("parts", {"train.batch=4", "train.accumulate=3"}), 1e-5);
  check_same(whole, bench.losses_of("both", {"train.batch=6", "train.accumulate=2", ranks(2)}),
             1e-5);
}

TEST_CASE("single and ddp of one rank end in the same bits") {
  const Bench bench;
  bench.losses_of("ddp", {});
  bench.losses_of("single", {"strategy=single"});
  CHECK(checkpoint_bytes(bench.folder / "ddp") == checkpoint_bytes(bench.folder / "single"));
  bench.losses_of("other", {"train.seed=6"});
  CHECK(checkpoint_bytes(bench.folder / "ddp") != checkpoint_bytes(bench.folder / "other"));
}

TEST_CASE("clipping bounds the step by the norm it names") {
  const Bench bench;
  const Arguments step{"optimizer={\"sgd\",lr=1,momentum=0}", "train.max_steps=1", ranks(2)};
  Arguments clipped = step, still = step;
  clipped.push_back("train.clip_norm=0.01");
  still.push_back("optimizer.lr=1e-30");
  bench.losses_of("clipped", clipped);
  bench.losses_of("still", still);
  const auto after = checkpoint_bytes(bench.folder / "clipped");
  double squares = 0;
  for (const auto& [name, before] : checkpoint_bytes(bench.folder / "still")) {
    if (name.rfind("parameter/", 0) != 0) continue;
    for (std::size_t at = 0; at < before.size(); at += sizeof(float)) {
      float old_value, new_value;
      std::memcpy(&old_value, before.data() + at, sizeof(float));
      std::memcpy(&new_value, after.at(name).data() + at, sizeof(float));
      squares += std::pow(double{new_value} - old_value, 2);
    }
  }
  // One step of plain SGD at rate 1 moves the parameters by the clipped gradient itself.
  CHECK(std::sqrt(squares) == Approx(0.01).epsilon(1e-3));
}

TEST_CASE("a run resumed in the middle of an epoch ends in the same bits") {
  const Bench bench;
  const int world = GENERATE(1, 2);
  const int stop = GENERATE(1, 6, 11);
  const std::string strategy =
      std::string("strategy=") + GENERATE(as<std::string>{}, "ddp", "dp", "zero1", "zero2",
                                          "{\"zero3\",resident_parameters=0}", kOffloaded);
  bench.losses_of("whole", {ranks(world), strategy});
  bench.losses_of("parts", {ranks(world), strategy, "train.max_steps=" + std::to_string(stop)});
  const Ended ended =
      run({"resume", bench.folder / "parts", "train.max_steps=0"}, bench.folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  CHECK(checkpoint_bytes(bench.folder / "whole") == checkpoint_bytes(bench.folder / "parts"));
  check_same(losses(bench.folder / "whole"), losses(bench.folder / "parts"), 0);
}

TEST_CASE("a run in fp16 resumed in the middle of an epoch ends in the same bits") {
  const Bench bench;
  const std::string strategy =
      std::string("strategy=") + GENERATE("ddp", "dp", "{\"zero3\",resident_parameters=0}");
  const std::string precision = GENERATE("precision=fp16", "train.gradient_dtype=fp16");
  const Arguments all{ranks(2), strategy, precision, "train.activation_checkpointing=2"};
  Arguments first = all;
  // The scale is still on its way down from its first value.
  first.push_back("train.max_steps=2");
  bench.losses_of("whole", all);
  bench.losses_of("parts", first);
  const Ended ended =
      run({"resume", bench.folder / "parts", "train.max_steps=0"}, bench.folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  CHECK(checkpoint_bytes(bench.folder / "whole") == checkpoint_bytes(bench.folder / "parts"));
  check_same(losses(bench.folder / "whole"), losses(bench.folder / "parts"), 0);
}

TEST_CASE("fp16 trains to what fp32 does, once it has found its loss scale") {
  const Bench bench;
  const auto fp32 = bench.losses_of("fp32", {ranks(2), "train.epochs=30"});
  const Ended ended =
      run(bench.with("fp16", {ranks(2), "train.epochs=30", "precision=fp16"}), bench.folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  CHECK_THAT(ended.output, Contains("fp16 on a CPU is slow"));
  const auto fp16 = losses(bench.folder / "fp16");
  const auto mean = [](const std::map<std::string, double>& all) {
    double sum = 0;
    for (const auto& [step, loss] : all) sum += loss;
    return sum / static_cast<double>(all.size());
  };
  CHECK(mean(fp16) == Approx(mean(fp32)).epsilon(0.1));
  std::ifstream log(bench.folder / "fp16/log.txt");
  const std::string text{std::istreambuf_iterator<char>(log), {}};
  CHECK_THAT(text,
             Contains("gradients overflowed, so nothing was updated; loss scale 65536 → 32768"));
}

TEST_CASE("a scale that no gradient fits ends the run") {
  const Bench bench;
  const Ended ended = run(bench.with("fp16", {ranks(2), "train.epochs=50", "precision=fp16",
                                              "model.fault=poison", "model.fault_step=-1"}),
                          bench.folder.path());
  INFO(ended.output);
  CHECK(ended.code == 1);
  CHECK_THAT(ended.output, Contains("overflow 16 bits with the smallest loss scale"));
}

TEST_CASE("units to run again that do not exist are refused by name") {
  const Bench bench;
  Ended ended =
      run(bench.with("a", {"train.activation_checkpointing={\"hiden\"}"}), bench.folder.path());
  INFO(ended.output);
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("no unit 'hiden'") && Contains("expected"));
  ended = run(bench.with("a", {"train.activation_checkpointing=some"}), bench.folder.path());
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("must be \"all\", \"none\", a number"));
}

TEST_CASE("a checkpoint of two ranks goes on with one") {
  const Bench bench;
  const auto whole = bench.losses_of("whole", {ranks(2)});
  bench.losses_of("parts", {ranks(2), "train.max_steps=6"});
  const Ended ended =
      run({"resume", bench.folder / "parts", "train.max_steps=0", "devices=1", "strategy=single"},
          bench.folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  check_same(whole, losses(bench.folder / "parts"), 1e-5);
}

TEST_CASE("a run goes on under another strategy in the same bits") {
  const Bench bench;
  const char* const single = "{\"single\",virtual_ranks=2}";
  const auto [first, second] =
      GENERATE_COPY(table<std::string, std::string>({{"ddp", "dp"},
                                                     {"dp", single},
                                                     {single, "ddp"},
                                                     {single, kOffloaded},
                                                     {"ddp", "zero1"},
                                                     {"zero1", kOffloaded},
                                                     {kOffloaded, "zero2"},
                                                     {"zero2", "ddp"},
                                                     {kOffloaded, single}}));
  const auto devices = [](const std::string& strategy) {
    return std::string(strategy.find("single") != std::string::npos ? "devices=1" : "devices=2");
  };
  const Arguments exact{"train.epochs=2", "numerics=exact"};
  Arguments whole = exact, parts = exact;
  whole.insert(whole.end(), {"strategy=ddp", ranks(2)});
  parts.insert(parts.end(), {"strategy=" + first, devices(first), "train.max_steps=6"});
  bench.losses_of("whole", whole);
  bench.losses_of("parts", parts);
  const Ended ended = run({"resume", bench.folder / "parts", "train.max_steps=0",
                           "strategy=" + second, devices(second)},
                          bench.folder.path());
  INFO(first << " → " << second << "\n" << ended.output);
  REQUIRE(ended.code == 0);
  CHECK(checkpoint_bytes(bench.folder / "whole") == checkpoint_bytes(bench.folder / "parts"));
}

TEST_CASE("single with virtual ranks refuses several devices, and other ranks than it was told") {
  const Bench bench;
  const Ended ended = run(bench.with("run", {"strategy={\"single\",virtual_ranks=2}", ranks(2)}),
                          bench.folder.path());
  INFO(ended.output);
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("works on one device") && Contains("4 ranks"));
}

TEST_CASE("a rank that fails ends the run with one report") {
  const Bench bench;
  struct Case {
    const char* fault;
    int code;
    const char* report;
  };
  const auto [fault, code, report] =
      GENERATE(Case{"throw", 5, "a fault on request"}, Case{"kill", 5, "SIGKILL"},
               Case{"segv", 5, "SIGSEGV"}, Case{"stop", 5, "SIGSTOP"}, Case{"hang", 5, "rank 1"},
               Case{"poison", 1, "no longer finite"});
  const std::string strategy =
      std::string("strategy=") +
      GENERATE("ddp", "dp", "zero1", "zero2", "{\"zero3\",resident_parameters=0}");
  const Ended ended =
      run(bench.with("run", {ranks(2), strategy, "train.timeout=6",
                             std::string("model.fault=") + fault, "model.fault_rank=1"}),
          bench.folder.path());
  INFO(fault << " " << strategy << "\n" << ended.output);
  CHECK(ended.code == code);
  CHECK_THAT(ended.output, Contains(report));
  CHECK_THAT(ended.output, Contains("epoch 1, fit, step 4/4"));
  CHECK(processes_with(bench.folder.path()) == 0);
  CHECK(std::filesystem::exists(bench.folder / "run/summary.json"));
}

TEST_CASE("a gradient outside the units that an objective names is an error of the model") {
  const Bench bench;
  const std::string strategy =
      GENERATE("single", "ddp", "dp", "zero1", "zero2", "{\"zero3\",resident_parameters=0}");
  const Ended ended = run(bench.with("run", {ranks(strategy == "single" ? 1 : 2),
                                             "strategy=" + strategy, "model.fault=unnamed unit"}),
                          bench.folder.path());
  INFO(strategy << "\n" << ended.output);
  CHECK(ended.code == 3);
  CHECK_THAT(ended.output, Contains("gives 'second/weight' a gradient, but does not name its"));
}

TEST_CASE("an interrupt writes a checkpoint from which the run ends in the same bits") {
  const Bench bench;
  const auto [signal, strategy] = GENERATE(table<int, const char*>(
      {{SIGINT, "strategy=ddp"}, {SIGTERM, "strategy=ddp"}, {SIGINT, "strategy=dp"}}));
  const Arguments longer{ranks(2),
                         strategy,
                         "train.epochs=400",
                         "train.eval_every=0",
                         "train.log_every=100",
                         "train.checkpoint_every=0"};
  bench.losses_of("whole", longer);
  Running running(bench.with("parts", longer), bench.folder.path());
  REQUIRE(running.wait_for("epoch 3/"));
  ::kill(running.pid(), signal);
  const Ended ended = running.wait();
  INFO(ended.output);
  REQUIRE(ended.code == 128 + signal);
  CHECK(processes_with(bench.folder.path()) == 0);
  const Ended resumed = run({"resume", bench.folder / "parts"}, bench.folder.path());
  INFO(resumed.output);
  REQUIRE(resumed.code == 0);
  CHECK(checkpoint_bytes(bench.folder / "whole") == checkpoint_bytes(bench.folder / "parts"));
}

TEST_CASE("ranks go when their parent is killed") {
  const Bench bench;
  {
    Running running(bench.with("run", {ranks(3), "train.epochs=100000", "train.eval_every=0"}),
                    bench.folder.path());
    REQUIRE(running.wait_for("epoch 2/"));
    REQUIRE(processes_with(bench.folder.path()) == 4);
    ::kill(running.pid(), SIGKILL);
    running.wait();
  }
  // They are killed at once; how soon they have gone is the kernel's business.
  for (int i = 0; i < 500 && processes_with(bench.folder.path()) > 0; ++i) ::usleep(10000);
  CHECK(processes_with(bench.folder.path()) == 0);
}

TEST_CASE("a damaged checkpoint is refused by name") {
  const Bench bench;
  bench.losses_of("run", {"train.max_steps=5"});
  std::string shard;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(bench.folder / "run/checkpoints")) {
    if (entry.path().filename() == "rank-0.safetensors") shard = entry.path().string();
  }
  REQUIRE(!shard.empty());
  SECTION("truncated") { std::filesystem::resize_file(shard, 300); }
  SECTION("one bit flipped") {
    std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-5, std::ios::end);
    const char byte = static_cast<char>(file.get() ^ 16);
    file.seekp(-5, std::ios::end);
    file.put(byte);
  }
  SECTION("removed") { std::filesystem::remove(shard); }
  const Ended ended =
      run({"resume", bench.folder / "run", "train.max_steps=0"}, bench.folder.path());
  INFO(ended.output);
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("rank-0.safetensors"));
}
