// `trainhost prove` as a user runs it: strategies that give the same bits on every model, and
// faults that do not pass.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;

// Each with an uneven last step, and the objectives, dropouts and special parameters it is for.
constexpr const char* kTiny = R"(
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 1 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 1, batch = 3, seed = 5, clip_norm = 0.5 },
}
)";
constexpr const char* kTransformer = R"(
return {
  name = "transformer",
  model = { "transformer", rows = 75, dropout = 0.2 },
  devices = { "cpu", count = 1 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 1, batch = 5, seed = 5, clip_norm = 0.5 },
}
)";
constexpr const char* kKgat = R"(
return {
  name = "kgat",
  model = { "kgat", embed_dim = 16, layer_dims = { 16, 8 }, dropout = 0.1,
            pretrain = { epochs = 1 } },
  data = { synthetic = { users = 150, items = 80, entities = 120, relations = 3, triples = 500,
                         interactions = 1500, seed = 7 } },
  devices = { "cpu", count = 1 },
  strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 1, batch = 100, seed = 5, clip_norm = 0.05 },
}
)";

struct Bench {
  TemporaryFolder folder;
  explicit Bench(const char* recipe) { std::ofstream(folder / "recipe.lua") << recipe; }

  Ended prove(Arguments more) const {
    Arguments all{"prove", "recipe.lua"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all, folder.path());
  }
  nlohmann::json proved(Arguments more, int code = 0) const {
    more.push_back("--json");
    const Ended ended = prove(std::move(more));
    INFO(ended.output);
    REQUIRE(ended.code == code);
    // The words for people go to stderr, before the object.
    const auto json = nlohmann::json::parse(ended.output.substr(ended.output.find("{\n")));
    REQUIRE(json["equal"] == (code == 0));
    return json;
  }
};

const char* recipe_of(const std::string& model) {
  return model == "tiny" ? kTiny : model == "kgat" ? kKgat : kTransformer;
}

}  // namespace

namespace {

/// Over optimizers, worlds and accumulation.
void prove_all(const std::string& model) {
  const std::string optimizer =
      GENERATE("optimizer={\"adam\",lr=1e-2}", "optimizer={\"adamw\",lr=1e-2,weight_decay=0.1}",
               "optimizer={\"sgd\",lr=1e-2,momentum=0.9}");
  const int world = GENERATE(2, 4);
  const int accumulate = GENERATE(1, 3);
  const Bench bench(recipe_of(model));
  CAPTURE(model, optimizer, world, accumulate);
  Arguments arguments{optimizer, "train.accumulate=" + std::to_string(accumulate), "--world",
                      std::to_string(world)};
  std::set<std::string> expected{"single, " + std::to_string(world) + " virtual ranks",
                                 "ddp",
                                 "dp",
                                 "zero1",
                                 "zero2",
                                 "zero3"};
  // Where parameters and activations are in the meantime is nothing to the optimizer.
  if (optimizer.find("adamw") == std::string::npos) {
    arguments.push_back("--quick");
  } else {
    for (const char* stage : {"zero1", "zero2", "zero3"}) {
      expected.insert(std::string(stage) + " offload");
    }
    const std::set<std::string> once = expected;
    for (const std::string& label : once) expected.insert(label + ", recomputed");
  }
  const auto json = bench.proved(arguments);
  std::set<std::string> labels, hashes;
  for (const auto& proved : json["runs"]) {
    labels.insert(proved["label"]);
    hashes.insert(proved["hash"]);
    CHECK(proved["loss"] == json["runs"][0]["loss"]);
    CHECK(proved["loss"].size() >= 2);
  }
  CHECK(labels == expected);
  CHECK(hashes.size() == 1);
}

}  // namespace

TEST_CASE("every strategy gives the same bits for the tiny model, whatever optimizer and world") {
  prove_all("tiny");
}
TEST_CASE("every strategy gives the same bits for KGAT, whatever optimizer and world") {
  prove_all("kgat");
}
TEST_CASE("every strategy gives the same bits for the transformer, whatever optimizer and world") {
  prove_all("transformer");
}

TEST_CASE("parameters that only some ranks use hold nobody up", "[transformer]") {
  const std::string task = GENERATE("classify", "contrastive", "gradcache");
  const int world = GENERATE(2, 4);
  const Bench bench(kTransformer);
  Arguments arguments{"model.adapter=tokens", "model.task=" + task, "train.timeout=10", "--world",
                      std::to_string(world)};
  if (world == 4) arguments.push_back("--quick");
  bench.proved(arguments);
}

TEST_CASE("mixed precision gives the same bits under every strategy") {
  const std::string model = GENERATE("tiny", "transformer");
  const std::string precision = GENERATE("precision=bf16", "precision=fp16",
                                         "train.gradient_dtype=bf16", "train.gradient_dtype=fp16");
  const int world = GENERATE(2, 3);
  CAPTURE(model, precision, world);
  const Bench bench(recipe_of(model));
  Arguments arguments{precision, "train.accumulate=2", "--steps", "4",
                      "--world", std::to_string(world)};
  if (world == 3 || precision.starts_with("train")) arguments.push_back("--quick");
  bench.proved(arguments);
}

TEST_CASE("mixed precision gives other bits than fp32") {
  const Bench bench(kTransformer);
  std::set<std::string> hashes;
  for (const char* precision : {"precision=fp32", "precision=bf16", "precision=fp16",
                                "train.gradient_dtype=bf16", "train.gradient_dtype=fp16"}) {
    const auto json = bench.proved({precision, "--world", "2", "--quick", "--steps", "1"});
    hashes.insert(json["runs"][0]["hash"]);
  }
  CHECK(hashes.size() == 5);
}

TEST_CASE("fast sums give nearly the same") {
  const std::string model = GENERATE("tiny", "kgat", "transformer");
  const int world = GENERATE(2, 4);
  CAPTURE(model, world);
  const Bench bench(recipe_of(model));
  Arguments arguments{"--fast", "train.accumulate=3", "--world", std::to_string(world)};
  if (world == 4) arguments.push_back("--quick");
  const auto json = bench.proved(arguments);
  CHECK(json["compare"] == "close");
}

TEST_CASE("fast sums of what is larger than a staging buffer are nearly the same",
          "[transformer]") {
  // The embedding is 15 MB.
  const Bench bench(kTransformer);
  bench.proved({"model.vocabulary=60000", "model.width=64", "model.layers=1",
                "model.feed_forward=64", "--fast", "--quick", "--world", "2", "--steps", "1"});
}

TEST_CASE("shards that cut parameters are equal too", "[transformer]") {
  const int world = GENERATE(2, 3, 4);
  const Bench bench(kTransformer);
  bench.proved({"model.vocabulary=2000", "model.width=40", "model.feed_forward=150",
                "strategy={\"zero1\",bucket_mb=0.1}", "--world", std::to_string(world)});
}

TEST_CASE("16-bit parameters with fp32 masters are equal too", "[transformer]") {
  const std::string dtype = GENERATE("bf16", "fp16");
  const int world = GENERATE(2, 4);
  const int accumulate = GENERATE(1, 3);
  const Bench bench(kTransformer);
  Arguments arguments{"model.dtype=" + dtype,
                      "model.vocabulary=2000",
                      "model.width=40",
                      "train.accumulate=" + std::to_string(accumulate),
                      "strategy={\"zero1\",bucket_mb=0.1}",
                      "--world",
                      std::to_string(world)};
  if (world == 4) arguments.push_back("--quick");
  bench.proved(arguments);
}

TEST_CASE("losses that look at all ranks are equal too", "[transformer]") {
  const std::string task = GENERATE("contrastive", "gradcache");
  const int world = GENERATE(2, 4);
  const Bench bench(kTransformer);
  Arguments arguments{"model.task=" + task, "--world", std::to_string(world)};
  if (world == 4) arguments.push_back("--quick");
  bench.proved(arguments);
}

TEST_CASE("another seed gives another hash, the same one the same") {
  const Bench bench(kKgat);
  const auto hash = [&](const std::string& seed) {
    return bench.proved({"--quick", "--steps", "1", "train.seed=" + seed})["runs"][0]["hash"];
  };
  const auto five = hash("5");
  CHECK(hash("5") == five);
  CHECK(hash("6") != five);
}

TEST_CASE("faults are found, with the first tensor and step") {
  const std::string model = GENERATE("tiny", "kgat");
  const Bench bench(recipe_of(model));
  const auto differing = [&](const std::string& fault) {
    const auto json = bench.proved(
        {"--quick", "strategy={\"broken\",fault=\"" + fault + "\"}", "optimizer={\"sgd\",lr=1e-2}"},
        1);
    CHECK(json["runs"][1]["hash"] == json["runs"][0]["hash"]);
    const auto& faulty = json["runs"].back();
    REQUIRE(faulty["strategy"] == "broken");
    CHECK(faulty["hash"] != json["runs"][0]["hash"]);
    return faulty["first_difference"];
  };
  const std::string first = model == "tiny" ? "fit" : "cf";
  const auto no_division = differing("no division");
  CHECK(no_division["place"] == first + " 1");
  CHECK(no_division["tensor"].get<std::string>().starts_with("parameter/"));
  const auto last_bucket = differing("last bucket");
  CHECK(last_bucket["place"] == first + " 1");
  CHECK_THAT(last_bucket["text"].get<std::string>(), Contains("not the same on all ranks"));
  // The first step has no older gradient to take.
  CHECK(differing("stale gradient")["place"] == first + " 2");
}

TEST_CASE("faults in the collectives of each stage are found") {
  const int stage = GENERATE(1, 2, 3);
  const std::string fault = GENERATE("none", "lost_reduction", "lost_gather", "own_norm");
  CAPTURE(stage, fault);
  const Bench bench(kTransformer);
  const bool good = fault == "none";
  const auto json = bench.proved(
      {"strategy={\"faulty_zero\",stage=" + std::to_string(stage) + ",fault=\"" + fault + "\"}",
       "optimizer={\"sgd\",lr=1e-2}", "train.clip_norm=0.01", "--quick", "--steps", "2"},
      good ? 0 : 1);
  const auto& faulty = json["runs"].back();
  REQUIRE(faulty["strategy"] == "faulty_zero");
  CHECK(json["runs"][5]["hash"] == json["runs"][0]["hash"]);
  CHECK(faulty.contains("first_difference") != good);
  CHECK((faulty["hash"] == json["runs"][0]["hash"]) == good);
}

TEST_CASE("fast numerics find faults too") {
  const std::string fault = GENERATE("no division", "last bucket");
  const Bench bench(kKgat);
  const auto json =
      bench.proved({"--fast", "--quick", "strategy={\"broken\",fault=\"" + fault + "\"}"}, 1);
  CHECK(json["runs"].back().contains("first_difference"));
}

TEST_CASE("for people: a table, what differs, and the exit code") {
  const Bench bench(kTiny);
  const Ended good = bench.prove({"--world", "2", "--steps", "2"});
  INFO(good.output);
  CHECK(good.code == 0);
  CHECK_THAT(good.output, Contains("single, 2 virtual ranks") && Contains("the reference") &&
                              Contains("fit 2") && Contains("shrink 2") && Contains("every bit"));
  const Ended bad = bench.prove({"--quick", "strategy={\"broken\",fault=\"no division\"}"});
  CHECK(bad.code == 1);
  CHECK_THAT(bad.output, Contains("DIFFERS") && Contains("broken differs first after "
                                                         "step fit 1: tensor 'parameter/"));
}

TEST_CASE("a strategy whose run fails ends the proof with its exit code") {
  const Bench bench(kTiny);
  const Ended ended = bench.prove({"model.fault=kill", "model.fault_step=1"});
  INFO(ended.output);
  CHECK(ended.code == 5);
  CHECK_THAT(ended.output, Contains("SIGKILL"));
  CHECK(bench.prove({"--world", "0"}).code == 2);
}
