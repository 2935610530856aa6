// Batch and learning rate of every objective under every rule.
#include "fixture.h"

using namespace trainhost;
using namespace trainhost::recipe;
using namespace trainhost::recipe::test;
using Catch::Matchers::Contains;

namespace {

ObjectivePlan objective(const std::string& scaling, const World& world, std::size_t index = 0,
                        const std::vector<std::string>& overrides = {}) {
  const std::string extra = scaling.empty() ? "" : "scaling = " + scaling;
  return load(recipe_text(extra), overrides).resolve(world).objectives.at(index);
}

std::string problem(const std::string& scaling, const World& world,
                    const std::vector<std::string>& overrides = {}) {
  try {
    objective(scaling, world, 0, overrides);
  } catch (const Error& error) {
    CHECK(error.failure() == Failure::kUser);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("without rules the batch is per rank and the rate as written") {
  const ObjectivePlan cf = objective("", {.ranks = 4});
  CHECK(cf.name == "cf");
  CHECK(cf.written_batch == 2048);
  CHECK(cf.batch_per_rank == 2048);
  CHECK(cf.effective_batch == 8192);
  CHECK(cf.base_batch == 2048);
  CHECK(cf.lr == 0.001);
  CHECK(cf.lr_note == "lr 0.001 → 0.001 (none)");
}

TEST_CASE("linear and square root follow the effective batch") {
  const ObjectivePlan linear = objective("{ lr = scale.linear }", {.ranks = 4});
  CHECK(linear.lr == 0.004);
  CHECK(linear.lr_note == "lr 0.001 → 0.004 (linear: 8192 / 2048)");
  CHECK(objective("{ lr = scale.linear }", {.ranks = 1}).lr_note ==
        "lr 0.001 → 0.001 (linear: 2048 / 2048)");
  CHECK(objective("{ lr = scale.sqrt }", {.ranks = 4}).lr == 0.002);
  CHECK(objective("{ lr = scale.linear, base_batch = 1024 }", {.ranks = 2}).lr == 0.004);
  const ObjectivePlan accumulated =
      objective("{ lr = scale.linear }", {.ranks = 2}, 0, {"train.accumulate=4"});
  CHECK(accumulated.effective_batch == 16384);
  CHECK(accumulated.lr == 0.008);
  CHECK(objective("", {.ranks = 4}, 0, {"scaling.lr=sqrt"}).lr == 0.002);
  CHECK(objective("{ lr = scale.linear }", {.ranks = 4}, 0, {"scaling.lr=none"}).lr == 0.001);
}

TEST_CASE("an objective with its own batch and rate scales in proportion") {
  const ObjectivePlan kg = objective("{ lr = scale.linear, base_batch = 1024 }", {.ranks = 2}, 1);
  CHECK(kg.name == "kg");
  CHECK(kg.written_batch == 4096);
  CHECK(kg.base_batch == 2048);
  CHECK(kg.effective_batch == 8192);
  CHECK(kg.lr == 0.004);
  const ObjectivePlan own = objective("{ lr = scale.linear }", {.ranks = 2}, 1,
                                      {"model.kg_batch=512", "model.kg_lr=0.01"});
  CHECK(own.batch_per_rank == 512);
  CHECK(own.base_batch == 512);
  CHECK(own.base_lr == 0.01);
  CHECK(own.lr == 0.02);
}

TEST_CASE("a global batch is divided, or the nearest that divide are offered") {
  const ObjectivePlan cf = objective("{ batch = scale.global, lr = scale.linear }", {.ranks = 4});
  CHECK(cf.batch_per_rank == 512);
  CHECK(cf.effective_batch == 2048);
  CHECK(cf.lr == 0.001);
  const std::string message = problem("{ batch = scale.global }", {.ranks = 3});
  CHECK_THAT(message, Contains("r.lua:7: the global batch 2048 of cf does not divide by 3 ranks"));
  CHECK_THAT(message, Contains("set train.batch so that it is 2046 or 2049"));
  CHECK_THAT(problem("{ batch = scale.global }", {.ranks = 4096}), Contains("so that it is 4096"));
  CHECK_THAT(problem("", {.ranks = 3},
                     {"scaling.batch=global", "train.batch=3000", "model.kg_batch=1000"}),
             Contains("set model.kg_batch so that it is 999 or 1002"));
}

TEST_CASE("a rule may be a function of the recipe") {
  const ObjectivePlan cf = objective(R"({ lr = function(base, to)
      return scale.linear(base, to) / to.nodes + (to.device == "cuda" and to.cpus or 0)
    end })",
                                     {.ranks = 4, .nodes = 2, .cpus = 3, .device = "cuda"});
  CHECK(cf.lr == 0.002 + 3);
  CHECK_THAT(cf.lr_note, Contains("(function: 8192 / 2048)"));
  CHECK(objective("{ batch = function(base, to) return base // to.ranks end }", {.ranks = 4})
            .batch_per_rank == 512);
}

TEST_CASE("a rule that gives nonsense is refused") {
  const auto lr = [](const std::string& body) {
    return problem("{ lr = function(base, to) " + body + " end }", {.ranks = 2});
  };
  CHECK_THAT(lr("return 0/0"), Contains("gave NaN"));
  CHECK_THAT(lr("return -1"), Contains("gave -1"));
  CHECK_THAT(lr("return 0"), Contains("positive and finite"));
  CHECK_THAT(lr("return 1/0"), Contains("infinity"));
  CHECK_THAT(lr("return 'x'"), Contains("must return a number, not string"));
  CHECK_THAT(lr("return to.effective_bacth * 2"), Contains("r.lua:8"));
  CHECK_THAT(lr("return base.x"), Contains("attempt to index"));
  const auto batch = [](const std::string& body) {
    return problem("{ batch = function(base, to) " + body + " end }", {.ranks = 2});
  };
  CHECK_THAT(batch("return 1.5"), Contains("a batch is a positive integer"));
  CHECK_THAT(batch("return 0"), Contains("a batch is a positive integer"));
  CHECK_THAT(batch("return 1e30"), Contains("a batch is a positive integer"));
  CHECK_THAT(problem("{ lr = 'linaer' }", {}), Contains("did you mean 'linear'"));
  CHECK_THAT(problem("{ lr = 'function' }", {}), Contains("is the text 'function'"));
  CHECK_THAT(problem("", {}, {"scaling.batch=function"}), Contains("is the text 'function'"));
  CHECK_THAT(problem("{ batch = scale.linear }", {}), Contains("one of per_rank, global"));
}

TEST_CASE("impossible worlds and batches are refused") {
  CHECK_THAT(problem("", {.ranks = 0}), Contains("not 0"));
  CHECK_THAT(problem("", {.ranks = -4}), Contains("not -4"));
  CHECK_THAT(problem("", {.ranks = 1'000'000}, {"train.batch=16777216"}), Contains("2^31"));
}
