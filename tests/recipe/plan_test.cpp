// The plan's JSON form: both ways, and everything that is not one.
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "host/recipe/sandbox.h"
#include "host/recipe/value_json.h"

using namespace trainhost;
using namespace trainhost::recipe;
using namespace trainhost::recipe::test;
using Catch::Matchers::Contains;

namespace {

RunPlan sample() {
  RunPlan plan = load(recipe_text(R"(strategy = {
    'ddp', bucket_mb = 1 },
    devices = { 'cuda', indices = { 0, 3 }, fallback = { 'cpu' } },
    optimizer = { 'adamw', lr = 0.1, weight_decay = 1e-300 }, precision = "bf16",
    scaling = { lr = scale.sqrt })"),
                      {"model.dropout=0.3"})
                     .resolve({.ranks = 2, .nodes = 1});
  plan.device_kind = "cpu";
  plan.device_note = "cuda: no driver → cpu";
  plan.precision_note = "\"quoted\"\nand more";
  return plan;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string refused(const std::string& text) {
  try {
    plan_from_json(text, "plan.json");
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a plan survives its text form") {
  const RunPlan plan = sample();
  const std::string text = plan_to_json(plan);
  const RunPlan back = plan_from_json(text, "plan.json");
  CHECK(plan_to_json(back) == text);
  CHECK(back.name == plan.name);
  CHECK(back.ranks == 2);
  CHECK(back.optimizer.lr == plan.optimizer.lr);
  CHECK(back.optimizer.weight_decay == 1e-300);
  CHECK(back.devices.indices == plan.devices.indices);
  CHECK(back.devices.position.text() == "r.lua:10");
  CHECK(back.precision_note == plan.precision_note);
  REQUIRE(back.objectives.size() == 2);
  CHECK(back.objectives[1].lr == plan.objectives[1].lr);
  CHECK(back.objectives[1].lr_note == plan.objectives[1].lr_note);
}

TEST_CASE("options keep type and place through the text form") {
  const RunPlan back = plan_from_json(plan_to_json(sample()), "plan.json");
  const Options model(back.model.options, "model");
  CHECK(model.integer("embed_dim") == 32);
  CHECK(model.position("embed_dim").text() == "r.lua:4");
  CHECK(model.position("layer_dims").text() == "r.lua:4");
  CHECK(model.position("dropout").text() == "command line");
  CHECK_THROWS_AS(model.integer("dropout"), Error);
  const Options strategy(back.strategy.options, "strategy");
  CHECK(strategy.real("bucket_mb") == 1.0);
  CHECK(std::holds_alternative<double>(strategy.value("bucket_mb").data));
  CHECK(strategy.position("bucket_mb").text() == "r.lua:9");
}

TEST_CASE("a place below one that is not written keeps its own, and the one above inherits") {
  const Value value = Sandbox().run("return { a = { 1,\n 2 },\n b = { c = 3 } }", "r.lua", {});
  const Json places = positions_to_json(value);
  CHECK_FALSE(places["keys"]["a"].contains("line"));
  const Value back = value_from_json(value_to_json(value), places, "plan.json", "");
  CHECK(back.find("a")->position.text() == "r.lua:1");
  const List& list = std::get<List>(back.find("a")->data);
  CHECK(list[0].position.text() == "r.lua:1");
  CHECK(list[1].position.text() == "r.lua:2");
  CHECK(back.find("b")->find("c")->position.text() == "r.lua:3");
}

TEST_CASE("a document that is no plan is refused with its reason") {
  const std::string good = plan_to_json(sample());
  CHECK_THAT(refused(""), Contains("plan.json"));
  CHECK_THAT(refused("[]"), Contains("the plan is no object"));
  CHECK_THAT(refused("{}"), Contains("'plan_version' is missing"));
  CHECK_THAT(refused(good.substr(0, good.size() / 2)), Contains("plan.json: parse error"));
  CHECK_THAT(refused(std::string(100'000, '[')), Contains("plan.json"));
  CHECK_THAT(refused(std::string(std::size_t{5} << 20, ' ')), Contains("larger than 4 MiB"));
  CHECK_THAT(refused(replaced(good, "\"plan_version\": 1", "\"plan_version\": 2")),
             Contains("'plan_version' is 2"));
  CHECK_THAT(refused(replaced(good, "\"epochs\": 3", "\"epochs\": 0")), Contains("train.epochs"));
  CHECK_THAT(refused(replaced(good, "\"epochs\": 3", "\"epochs\": 3.5")), Contains("no integer"));
  CHECK_THAT(refused(replaced(good, "\"epochs\": 3", "\"epochs\": 18446744073709551615")),
             Contains("no integer"));
  CHECK_THAT(refused(replaced(good, "\"epochs\": 3", "\"epochs\": 1e999")), Contains("plan.json"));
  CHECK_THAT(refused(replaced(good, "\"epochs\": 3", "\"epcohs\": 3")), Contains("is missing"));
  CHECK_THAT(refused(replaced(good, "\"epochs\": 3", "\"epochs\": 3, \"x\": 1")),
             Contains("'train.x' is unknown"));
  CHECK_THAT(refused(replaced(good, "\"plan_version\": 1", "\"plan_version\": 1, \"y\": 1")),
             Contains("'y' is unknown"));
  CHECK_THAT(refused(replaced(good, "\"bf16\"", "\"fp8\"")), Contains("unknown value 'fp8'"));
  CHECK_THAT(refused(replaced(good, "\"name\": \"run\"", "\"name\": \"../run\"")),
             Contains("no safe folder name"));
  CHECK_THAT(refused(replaced(good, "\"name\": \"run\"", "\"name\": 3")), Contains("is no text"));
  CHECK_THAT(refused(replaced(good, "\"line\": 4", "\"line\": -4")), Contains("impossible line"));
  CHECK_THAT(refused(replaced(good, "\"embed_dim\": 32",
                              "\"embed_dim\": 1e19, \"z\": "
                              "18446744073709551615")),
             Contains("too large"));
  CHECK_THAT(refused(replaced(good, "\"embed_dim\": 32",
                              "\"deep\": " + std::string(60, '[') + std::string(60, ']'))),
             Contains("nested too deeply"));
}

TEST_CASE("damaged documents never do worse than an error") {
  const std::string good = plan_to_json(sample());
  std::uint32_t state = 12345;
  const auto next = [&state] { return state = state * 1664525u + 1013904223u; };
  int refusals = 0;
  for (int round = 0; round < 300; ++round) {
    std::string text = good;
    for (int change = 0; change < 3; ++change) {
      text[(next() >> 8) % text.size()] = static_cast<char>(next() >> 24);
    }
    try {
      plan_from_json(text, "plan.json");
    } catch (const Error&) {
      ++refusals;
    }
  }
  CHECK(refusals > 200);
}

TEST_CASE("what JSON cannot hold is refused when writing") {
  RunPlan plan = sample();
  plan.objectives[0].lr = 1.0 / 0.0;
  CHECK_THROWS_AS(plan_to_json(plan), Error);
  plan = sample();
  plan.device_note = "\xff";
  CHECK_THROWS_AS(plan_to_json(plan), Error);
}
