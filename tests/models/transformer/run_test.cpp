// The test model `transformer` through the real programs: worlds that agree, GradCache, parameters
// that are not always used, groups, buffers, and resuming.
#include <iterator>
#include <regex>

#include "support.h"

namespace {

using namespace transformer::testing;
using Catch::Matchers::Contains;

/// What each world must agree on with one rank, and with which tolerance.
void check_worlds(const Bench& bench, const Arguments& settings) {
  const auto one = bench.losses_of("one", settings + Arguments{"strategy=single"});
  for (const int world : {1, 2, 4}) {
    const std::string name = "world" + std::to_string(world);
    INFO(name);
    check_same(one, bench.losses_of(name, settings + Arguments{ranks(world)}), 1e-5);
  }
}

std::string task(const std::string& name) { return "model.task=" + name; }

std::int64_t elements(const Bench& bench, const std::string& run) {
  std::int64_t count = 0;
  for (const auto& [name, bytes] : bench.tensors_of(run)) {
    if (name.rfind("parameter/", 0) == 0) {
      // The flat layout pads each parameter to 64 bytes.
      count += static_cast<std::int64_t>((bytes.size() + 63) / 64 * 16);
    }
  }
  return count;
}

struct Counted {
  int backwards = 0, reductions = 0;
  std::int64_t elements = 0;
};

std::vector<Counted> counted(const std::string& run_directory) {
  std::ifstream file(run_directory + "/log.txt");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::regex line("counted: (\\d+) backwards, (\\d+) reductions, (\\d+) elements");
  std::vector<Counted> out;
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    out.push_back({std::stoi((*at)[1]), std::stoi((*at)[2]), std::stoll((*at)[3])});
  }
  return out;
}

}  // namespace

TEST_CASE("every task has the same losses on 1, 2 and 4 ranks") {
  const Bench bench;
  const std::string name = GENERATE("classify", "contrastive", "gradcache");
  INFO(name);
  check_worlds(bench, {task(name), "model.dropout=0.1"});
}

TEST_CASE("batch normalisation over ranks has the same losses on 1, 2 and 4 ranks") {
  const Bench bench;
  const std::string name = GENERATE("contrastive", "gradcache");
  INFO(name);
  check_worlds(bench, {task(name), "model.batch_norm=true"});
  // The running statistics too, which the evaluation goes by.
  const auto one = bench.tensors_of("world1"), four = bench.tensors_of("world4");
  for (const std::string statistic : {"mean", "var"}) {
    const std::string tensor = "buffer/pooled_norm/norm.running_" + statistic;
    INFO(tensor);
    const auto expected = floats(one.at(tensor)), got = floats(four.at(tensor));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(got[i] == Approx(expected[i]).margin(1e-4));
    }
  }
}

TEST_CASE("batch normalisation over ranks gives the same bits under every strategy") {
  const Bench bench;
  const std::string name = GENERATE("contrastive", "gradcache");
  const Ended ended = trainhost::testing::run(
      {"prove", "transformer.lua", task(name), "model.batch_norm=true", "--world", "2"},
      bench.folder.path());
  INFO(ended.output);
  CHECK(ended.code == 0);
}

TEST_CASE("a step of three micro-batches has the same losses on 1, 2 and 4 ranks") {
  const Bench bench;
  const std::string name = GENERATE("classify", "contrastive", "gradcache");
  INFO(name);
  check_worlds(bench, {task(name), "model.dropout=0.1", "train.batch=4", "train.accumulate=3"});
}

TEST_CASE("three micro-batches are the larger batch where rows do not meet") {
  const Bench bench;
  const auto whole = bench.losses_of("whole", {"model.dropout=0.1"});
  check_same(whole,
             bench.losses_of("parts", {"model.dropout=0.1", "train.batch=4", "train.accumulate=3"}),
             1e-5);
}

TEST_CASE("exact numerics agree on 1, 2 and 4 ranks too") {
  const Bench bench;
  const std::string name = GENERATE("classify", "gradcache");
  INFO(name);
  const Arguments settings{task(name), "model.dropout=0.1", "numerics=exact", "train.batch=4",
                           "train.accumulate=3"};
  const auto two = bench.losses_of("two", settings + Arguments{ranks(2)});
  check_same(two, bench.losses_of("one", settings), 1e-5);
  check_same(two, bench.losses_of("four", settings + Arguments{ranks(4)}), 1e-5);
}

TEST_CASE("the model learns") {
  const Bench bench;
  const auto [name, factor] =
      GENERATE(std::pair<const char*, double>{"classify", 0.6}, std::pair{"gradcache", 0.9});
  INFO(name);
  const Ended ended = bench.run("run", {task(name), ranks(2), "train.epochs=12", "model.rows=240"});
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto losses = trainhost::testing::losses(bench.folder / "run");
  CHECK(losses.at("learn/240") < factor * losses.at("learn/1"));
}

TEST_CASE("GradCache is the whole batch, whatever its mini-batches") {
  const Bench bench;
  const Arguments settings{"model.dropout=0.1", "model.adapter=tokens"};
  const auto whole = bench.losses_of("whole", settings + Arguments{task("contrastive"), ranks(2)});
  const std::string size = GENERATE("1", "5", "64");
  INFO("mini_batch " << size);
  check_same(whole,
             bench.losses_of("parts", settings + Arguments{task("gradcache"), ranks(2),
                                                           "model.mini_batch=" + size}),
             1e-5);
}

TEST_CASE("GradCache reduces each gradient once a step") {
  const Bench bench;
  const Arguments settings{task("gradcache"), ranks(2), "strategy=counting"};
  const std::string accumulate = GENERATE("1", "3");
  bench.losses_of("run", settings + Arguments{"train.accumulate=" + accumulate});
  const auto steps = counted(bench.folder / "run");
  REQUIRE(steps.size() == (accumulate == "1" ? 10 : 4));
  // 6 rows a rank in mini-batches of 4, and the loss down to the embeddings.
  CHECK(steps.front().backwards == 3 * std::stoi(accumulate));
  for (const Counted& step : steps) {
    CHECK(step.reductions == 1);
    CHECK(step.elements == elements(bench, "run"));
  }
}

TEST_CASE("buckets of any size reduce all that there is, once") {
  const Bench bench;
  const auto large = bench.losses_of("large", {ranks(2)});
  const auto small =
      bench.losses_of("small", {ranks(2), "strategy={\"counting\",bucket_mb=0.000001}"});
  check_same(large, small, 0);
  for (const Counted& step : counted(bench.folder / "small")) {
    CHECK(step.reductions == 6);  // one a unit
    CHECK(step.elements == elements(bench, "small"));
  }
}

TEST_CASE("a parameter that no rank uses is neither moved nor decayed") {
  const Bench bench;
  const int world = GENERATE(1, 2);
  const std::string strategy = world == 1 ? "strategy=single" : "strategy=ddp";
  // The adapter is used in the second step alone; decay would move it in the first and third.
  std::vector<std::string> weights, updates;
  for (const int steps : {1, 2, 3}) {
    const std::string name = "run" + std::to_string(steps);
    bench.losses_of(name, {strategy, ranks(world), "train.max_steps=" + std::to_string(steps)});
    auto tensors = bench.tensors_of(name);
    weights.push_back(tensors.at("parameter/adapter/weight"));
    updates.push_back(tensors["optimizer/learn/updates/adapter/weight"]);
  }
  CHECK(weights[0] != weights[1]);
  CHECK(weights[1] == weights[2]);
  CHECK(updates[1] == updates[2]);
  std::int64_t count = 0;
  REQUIRE(updates[2].size() == sizeof(count));
  std::memcpy(&count, updates[2].data(), sizeof(count));
  CHECK(count == 1);
}

TEST_CASE("a parameter that some ranks use is updated on all") {
  const Bench bench;
  // One row a rank: of four, those with a row of label 0 use the adapter.
  const Arguments settings{"model.adapter=tokens", "train.batch=4", "train.epochs=1"};
  check_worlds(bench, settings);
  const auto start = bench.losses_of("start", settings + Arguments{"train.max_steps=1"});
  CHECK(bench.tensors_of("start").at("parameter/adapter/weight") !=
        bench.tensors_of("world4").at("parameter/adapter/weight"));
}

TEST_CASE("a collective deep in the graph meets a parameter that only some ranks use") {
  const Bench bench;
  const std::string name = GENERATE("classify", "contrastive");
  INFO(name);
  check_worlds(bench, {task(name), "model.sync=true", "model.adapter=tokens", "train.batch=4",
                       "train.epochs=1"});
  check_same(
      bench.losses_of("many", {task(name), ranks(4), "model.sync=true", "model.adapter=tokens",
                               "train.batch=4", "train.epochs=1", "strategy.bucket_mb=0.000001"}),
      trainhost::testing::losses(bench.folder / "one"), 1e-5);
}

TEST_CASE("the groups' decay is theirs") {
  const Bench bench;
  // At rate 1e-3 a decay of 1000 takes a weight to 0 in one step, but for Adam's own 1e-3.
  bench.losses_of(
      "run", {ranks(2), "train.max_steps=1", "optimizer={\"adamw\",lr=1e-3,weight_decay=1000}"});
  const auto tensors = bench.tensors_of("run");
  for (const float value : floats(tensors.at("parameter/layer0/qkv"))) {
    CHECK(std::abs(value) <= 1.1e-3F);
  }
  for (const float value : floats(tensors.at("parameter/layer0/norm1"))) {
    CHECK(value == Approx(1).margin(1.1e-3));
  }
}

TEST_CASE("buffers are part of the state") {
  const Bench bench;
  bench.losses_of("one", {});
  bench.losses_of("four", {ranks(4)});
  const auto one = bench.tensors_of("one"), four = bench.tensors_of("four");
  const auto left = floats(one.at("buffer/head/centre"));
  const auto right = floats(four.at("buffer/head/centre"));
  REQUIRE(left.size() == 32);
  for (std::size_t i = 0; i < left.size(); ++i) {
    CHECK(left[i] != 0);
    CHECK(right[i] == Approx(left[i]).margin(1e-5));
  }
}

TEST_CASE("resumed in the middle of an epoch, it ends in the same bits") {
  const Bench bench;
  const std::string name = GENERATE("classify", "gradcache");
  const std::string adapter = GENERATE("odd", "never");
  // After step 1 the adapter has not been used yet; step 7 is within the second epoch, where the
  // centre is that of the first and the running sums are half full.
  const std::string stop = GENERATE("1", "7");
  INFO(name << ", adapter " << adapter << ", step " << stop);
  const Arguments settings{task(name), "model.dropout=0.1", "model.adapter=" + adapter, ranks(2)};
  bench.losses_of("whole", settings);
  bench.losses_of("parts", settings + Arguments{"train.max_steps=" + stop});
  const Ended ended = trainhost::testing::run(
      {"resume", bench.folder / "parts", "train.max_steps=0"}, bench.folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto whole = bench.tensors_of("whole"), parts = bench.tensors_of("parts");
  REQUIRE(whole.size() == parts.size());
  for (const auto& [tensor, bytes] : whole) {
    INFO(tensor);
    CHECK(parts.at(tensor) == bytes);
  }
}

TEST_CASE("16-bit parameters and their masters come back too") {
  const Bench bench;
  const std::string strategy =
      GENERATE("ddp", "zero1",
               "{\"zero3\",resident_parameters=0,offload_optimizer=true,offload_parameters=true}");
  const std::string adapter = GENERATE("odd", "never");
  INFO(strategy << ", adapter " << adapter);
  const Arguments settings{"model.dtype=bf16", "strategy=" + strategy, "model.adapter=" + adapter,
                           ranks(2)};
  bench.losses_of("whole", settings);
  bench.losses_of("parts", settings + Arguments{"train.max_steps=7"});
  const Ended ended = trainhost::testing::run(
      {"resume", bench.folder / "parts", "train.max_steps=0"}, bench.folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto whole = bench.tensors_of("whole"), parts = bench.tensors_of("parts");
  REQUIRE(whole.contains("master/layer0/qkv"));
  CHECK(whole == parts);
}

TEST_CASE("a checkpoint of two ranks goes on with four, and with one") {
  const Bench bench;
  const Arguments settings{task("gradcache"), "model.dropout=0.1"};
  const auto whole = bench.losses_of("whole", settings + Arguments{ranks(2)});
  bench.losses_of("parts", settings + Arguments{ranks(2), "train.max_steps=7"});
  const Arguments other =
      GENERATE(Arguments{"devices=4"}, Arguments{"devices=1", "strategy=single"});
  const Ended ended = trainhost::testing::run(
      Arguments{"resume", bench.folder / "parts", "train.max_steps=0"} + other,
      bench.folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  check_same(whole, trainhost::testing::losses(bench.folder / "parts"), 1e-5);
}

TEST_CASE("options that do not fit each other are refused by name") {
  const Bench bench;
  const Ended ended = bench.run("run", {"model.width=30"});
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("model.width") && Contains("a multiple of model.heads"));
}
