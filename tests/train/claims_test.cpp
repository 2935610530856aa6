// `trainhost describe --measure`: what strategies claim, held against what their runs show.
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

// 50 M parameters, and little to compute: a step takes as long as its parameters do.
constexpr const char* kTransformer = R"(
return {
  name = "transformer",
  model = { "transformer", vocabulary = 8000, width = 640, heads = 10, layers = 9, feed_forward = 2560,
            tokens = 8, rows = 1000, classes = 2, adapter = "always" },
  devices = { "cpu", count = 1 },
  strategy = "zero2",
  optimizer = { "adamw", lr = 1e-4 },
  train = { epochs = 1, batch = 2 },
}
)";
constexpr const char* kKgat = R"(
return {
  name = "kgat",
  model = { "kgat", embed_dim = 512, relation_dim = 16, layer_dims = { 16 }, pretrain = { epochs = 0 } },
  data = { synthetic = { users = 8000, items = 4000, entities = 12000, relations = 5, triples = 20000,
                         interactions = 40000, seed = 7 } },
  devices = { "cpu", count = 1 },
  strategy = "zero3",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 1, batch = 200 },
}
)";
constexpr const char* kTiny = R"(
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 1 },
  strategy = { "single", virtual_ranks = 2 },
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 1, batch = 4, accumulate = 3 },
}
)";

struct Bench {
  TemporaryFolder folder;
  explicit Bench(const char* recipe) { std::ofstream(folder / "recipe.lua") << recipe; }

  Ended describe(const Arguments& more) const {
    Arguments all{"describe", "recipe.lua"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all, folder.path());
  }
  Json costs(Arguments more) const {
    more.push_back("--json");
    const Ended ended = describe(more);
    INFO(ended.output);
    REQUIRE(ended.code == 0);
    return Json::parse(ended.output.substr(ended.output.find("{\n")))["costs"];
  }
};

/// The strategies of a world, by name.
std::map<std::string, Json> strategies_of(const Json& costs, int ranks) {
  std::map<std::string, Json> out;
  for (const Json& world : costs["worlds"]) {
    if (world["ranks"] != ranks) continue;
    for (const Json& strategy : world["strategies"]) out[strategy["strategy"]] = strategy;
  }
  return out;
}

/// Of a rank, in the objective that takes most.
double most_bytes(const Json& side) {
  double bytes = 0;
  for (const Json& objective : side["objectives"]) {
    bytes = std::max(bytes, objective["bytes"].get<double>());
  }
  return bytes;
}

void check_near(double expected, double found) {
  CAPTURE(expected, found, expected / found - 1);
  CHECK(std::abs(expected - found) <= 0.05 * found);
}

void check_claims(const std::map<std::string, Json>& strategies) {
  for (const char* name : {"ddp", "zero1", "zero2", "zero3"}) {
    INFO(name);
    const Json& strategy = strategies.at(name);
    const Json& measured = strategy["measured"];
    check_near(most_bytes(strategy["predicted"]), most_bytes(measured));
    for (std::size_t o = 0; o < measured["objectives"].size(); ++o) {
      check_near(strategy["claims"]["traffic"][o].get<double>(),
                 measured["objectives"][o]["sent_bytes"].get<double>());
    }
    CHECK(measured["pss"].get<double>() > 0);
  }
}

const Arguments kMeasured{"--probe", "--measure", "--steps", "1", "--world"};

Arguments measured(const std::string& world, Arguments more = {}) {
  Arguments out = kMeasured;
  out.push_back(world);
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

TEST_CASE("a transformer of 50 M parameters takes and sends what is claimed") {
  const int world = GENERATE(2, 4);
  CAPTURE(world);
  const Json costs = Bench(kTransformer).costs(measured(std::to_string(world)));
  CHECK(costs["parameters"].get<double>() == Approx(50e6).epsilon(0.02));
  const auto strategies = strategies_of(costs, world);
  check_claims(strategies);
  // dp's ranks are threads: their memory is one process's.
  const Json& dp = strategies.at("dp");
  check_near(dp["claims"]["traffic"][0].get<double>(),
             dp["measured"]["objectives"][0]["sent_bytes"].get<double>());
  const auto bytes = [&](const char* name, const char* side) {
    return most_bytes(strategies.at(name)[side]);
  };
  for (const char* side : {"predicted", "measured"}) {
    INFO(side);
    CHECK(bytes("zero1", side) < bytes("ddp", side));
    CHECK(bytes("zero2", side) < bytes("zero1", side));
    CHECK(bytes("zero3", side) < bytes("zero2", side));
  }
}

TEST_CASE("KGAT takes and sends what is claimed, in both objectives") {
  const int world = GENERATE(2, 4);
  CAPTURE(world);
  const auto strategies = strategies_of(Bench(kKgat).costs(measured(std::to_string(world))), world);
  check_claims(strategies);
  const auto bytes = [&](const char* name) { return most_bytes(strategies.at(name)["measured"]); };
  CHECK(bytes("zero1") < bytes("ddp"));
  // Nearly all of it is one unit, so what zero3 gathers is nearly all of it: no less than zero2.
  CHECK(bytes("zero2") < bytes("zero1"));
}

TEST_CASE("micro-batches, exact sums and 16-bit gradients change what is sent as claimed") {
  const std::string change =
      GENERATE("train.accumulate=3", "numerics=exact", "train.gradient_dtype=bf16");
  CAPTURE(change);
  Arguments more{change, "model.width=160", "model.vocabulary=2000", "model.feed_forward=640",
                 "strategy={\"zero3\",resident_parameters=1000}"};
  if (change == "numerics=exact") more.push_back("train.accumulate=2");
  check_claims(strategies_of(Bench(kTransformer).costs(measured("2", more)), 2));
}

TEST_CASE("claims need neither the memory nor the time of a run") {
  const Bench bench(kTransformer);
  const Json costs = bench.costs({"--world", "1,2,1024", "model.layers=200"});
  CHECK(costs["parameters"].get<double>() > 900e6);
  CHECK(costs["allocated_bytes"].get<std::int64_t>() < 1 << 20);
  CHECK(costs["probed"].empty());
  const auto many = strategies_of(costs, 1024);
  CHECK(many.count("single") == 0);
  CHECK(many.at("zero2")["own"] == true);
  CHECK(many.at("ddp")["own"] == false);
  CHECK_FALSE(many.at("ddp").contains("predicted"));
  const double whole = strategies_of(costs, 1).at("single")["claims"]["optimizer"];
  CHECK(many.at("zero1")["claims"]["optimizer"].get<double>() < 0.002 * whole);
}

TEST_CASE("the recipe's own options, and what virtual ranks take") {
  const Bench bench(kTiny);
  const auto strategies = strategies_of(bench.costs({"--world", "2"}), 2);
  const auto gradients = [&](const char* name) {
    return strategies.at(name)["claims"]["gradients"].get<std::int64_t>();
  };
  REQUIRE(strategies.at("single")["own"] == true);
  CHECK(gradients("single") == 3 * gradients("ddp"));
}

TEST_CASE("for people: tables, and why there are none") {
  const Bench bench(kTiny);
  const Ended good = bench.describe({"--world", "1,2", "--probe", "--measure", "--steps", "1"});
  INFO(good.output);
  CHECK(good.code == 0);
  CHECK_THAT(good.output, Contains("effective batch") && Contains("claimed by the strategies") &&
                              Contains("sent: fit") && Contains("* single") &&
                              Contains("predicted from a probe") && Contains("measured in"));
  const Ended none = Bench(kKgat).describe({"data.dir=" + bench.folder.path()});
  INFO(none.output);
  CHECK(none.code == 0);
  CHECK_THAT(none.output, Contains("effective batch") &&
                              Contains("memory and traffic are not known: ") &&
                              Contains("train.txt"));
}

TEST_CASE("a probe that fails says why") {
  const Bench bench(kTiny);
  const Ended killed = bench.describe({"--probe", "model.fault=kill", "model.fault_step=1"});
  INFO(killed.output);
  CHECK(killed.code == 5);
  CHECK_THAT(killed.output, Contains("probe, 1 rank") && Contains("SIGKILL"));
  CHECK(bench.describe({"--probe", "--steps", "0"}).code == 2);
}
