#include "host/bench/sweep.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "host/bench/case_result.h"
#include "host/bench/run_key.h"
#include "host/bench/statistics.h"

using namespace trainhost;
using namespace trainhost::bench;
using Catch::Matchers::Contains;

namespace {

std::string text(const std::vector<Turn>& turns) {
  std::string out;
  for (const Turn& turn : turns) {
    out += turn.warmup ? static_cast<char>('a' + turn.which) : static_cast<char>('A' + turn.which);
    out += std::to_string(turn.repeat);
  }
  return out;
}

Value value(const char* json) { return to_value(parse(json)); }

}  // namespace

TEST_CASE("runs take turns, and every other round is reversed") {
  CHECK(text(turns_of(2, 0, 4, Order::kThereAndBack)) == "A1B1B2A2A3B3B4A4");
  CHECK(text(turns_of(3, 1, 2, Order::kThereAndBack)) == "a1b1c1A1B1C1C2B2A2");
  CHECK(text(turns_of(2, 1, 2, Order::kRounds)) == "a1b1A1B1A2B2");
  CHECK(text(turns_of(2, 1, 2, Order::kOneByOne)) == "a1A1A2b1B1B2");
  CHECK(turns_of(0, 1, 2, Order::kRounds).empty());
  CHECK(order_of("ABAB") == Order::kRounds);
  CHECK_THROWS_WITH(order_of("BAAB"), Contains("ABBA, ABAB or AABB"));
}

TEST_CASE("cases are the combinations of what varies") {
  const auto cases = cases_of(
      "r.lua", value(R"({"train": {"epochs": 1}})"),
      value(R"({"devices": [1, 2], "strategy": ["ddp", {"[1]": "zero2", "bucket_mb": 5}]})"),
      Value());
  REQUIRE(cases.size() == 4);
  CHECK(cases[0].label == "devices 1, ddp");
  CHECK(cases[3].label == "devices 2, zero2 bucket_mb=5");
  CHECK(cases[3].overrides ==
        std::vector<std::string>{"train.epochs=1", "devices=2", "strategy={zero2, bucket_mb = 5}"});
  CHECK(cases[3].at["devices"] == 2);
}

TEST_CASE("listed cases have their own changes, which win") {
  const auto cases = cases_of("r.lua", value(R"({"strategy": "ddp", "train.batch": 8})"), Value(),
                              value(R"([{"label": "one", "overrides": {"strategy": "single"}},
                         {"recipe": "other.lua", "overrides": ["train.batch=16"]}])"));
  REQUIRE(cases.size() == 2);
  CHECK(cases[0].overrides == std::vector<std::string>{"train.batch=8", "strategy=single"});
  CHECK(cases[1].recipe == "other.lua");
  CHECK(cases[1].label == "run 2");
  CHECK(cases[1].overrides == std::vector<std::string>{"strategy=ddp", "train.batch=16"});
}

TEST_CASE("wrong sweeps are refused") {
  const auto refusal = [](const char* vary, const char* cases, const char* recipe = "r.lua") {
    try {
      cases_of(recipe, Value(), value(vary), value(cases));
    } catch (const Error& error) {
      CHECK(error.failure() == Failure::kUser);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK_THAT(refusal(R"({"strategy": "ddp"})", "null"), Contains("vary.strategy must be a list"));
  CHECK_THAT(refusal(R"({"strategy": []})", "null"), Contains("at least one"));
  CHECK_THAT(refusal("null", R"([{"lable": "x"}])"), Contains("did you mean 'label'"));
  CHECK_THAT(refusal("null", R"([{"label": 3}])"), Contains("another type"));
  CHECK_THAT(refusal("null", "null", ""), Contains("without a recipe"));
  std::string many = "[0";
  for (int i = 1; i < 40; ++i) many += "," + std::to_string(i);
  const std::string axes = R"({"a": )" + many + R"(], "b": )" + many + "]}";
  CHECK_THAT(refusal(axes.c_str(), "null"), Contains("more than 1000"));
}

TEST_CASE("overrides become words of the command line") {
  const auto words = [](const char* json) { return override_words(value(json)); };
  using Words = std::vector<std::string>;
  CHECK(words(R"({"train": {"epochs": 3, "seed": 1}})") == Words{"train.epochs=3", "train.seed=1"});
  CHECK(words(R"({"a": [1, 2.5, true]})") == Words{"a={1, 2.5, true}"});
  CHECK(words(R"({"a": "12"})") == Words{"a=\"12\""});
  CHECK(words(R"({"a": "true"})") == Words{"a=\"true\""});
  CHECK(words(R"({"a": "say \"x\", \\"})") == Words{R"(a="say \"x\", \\")"});
  CHECK(words(R"({"data.dir": "/x/y z"})") == Words{"data.dir=/x/y z"});
  CHECK(words(R"({"d": [{"file": "/a b", "texts": ["2", "3"]}]})") ==
        Words{R"(d={{file = "/a b", texts = {"2", "3"}}})"});
  CHECK(words("null").empty());
  CHECK_THROWS_WITH(words(R"(["no override"])"), Contains("is no override"));
  CHECK_THROWS_WITH(words("[3]"), Contains("texts key=value"));
  CHECK_THROWS_WITH(words("3"), Contains("overrides are a table"));
}

TEST_CASE("members are found by path, also where names hold dots") {
  const Json json = parse(R"({"a": {"b": 1}, "final": {"x.y": 2, "x": {"y": 3}}})");
  CHECK(at_path(json, "a.b") == 1);
  CHECK(at_path(json, "final.x.y") == 2);
  CHECK(at_path(json, "a.c").is_null());
  CHECK(at_path(json, "a.b.c").is_null());
  CHECK(at_path(json, "") == json);
}

TEST_CASE("median, extremes, and distance from the median") {
  const Spread odd = spread_of({5, 1, 3}), even = spread_of({4, 1, 2, 100}), none = spread_of({});
  CHECK((odd.median == 3 && odd.min == 1 && odd.max == 5 && odd.mad == 2 && odd.count == 3));
  CHECK((even.median == 3 && even.max == 100 && even.mad == 1.5));
  CHECK(none.count == 0);
  CHECK(to_json(none).is_null());
  CHECK(spread_of({1, std::nan(""), 3}).count == 2);
}

TEST_CASE("a case has the medians of its runs") {
  const Json a = parse(
      R"({"outcome": "done", "samples_per_s": 10, "step_ms": {"median": 4}, "strategy": "ddp"})");
  Json b = a, warm = a, bad = a;
  b["samples_per_s"] = 30;
  b["step_ms"]["median"] = 6;
  warm["samples_per_s"] = 1000;
  warm["warmup"] = true;
  const Json good = case_result({"x", "r.lua", {"k=1"}}, {warm, a, b});
  CHECK(good["samples_per_s"] == 20);
  CHECK(good["step_ms"]["median"] == 5);
  CHECK(good["strategy"] == "ddp");
  CHECK(good["spread"]["samples_per_s"]["max"] == 30);
  CHECK(good["repeats"] == 2);
  CHECK(good["outcome"] == "done");
  bad["outcome"] = "failed";
  bad["reason"] = "no";
  const Json mixed = case_result({"x", "r.lua", {}}, {a, bad});
  CHECK(mixed["outcome"] == "failed");
  CHECK(mixed["reason"] == "no");
  CHECK(mixed["samples_per_s"] == 10);
}

TEST_CASE("a run is another run when anything of it differs") {
  const RunIdentity one{"trainhost 1", "return {}", {"r.lua", "a=1"}, 1, false};
  RunIdentity other = one;
  CHECK(key_of(one.text()) == key_of(other.text()));
  other.repeat = 2;
  CHECK(key_of(one.text()) != key_of(other.text()));
  other = one;
  other.recipe = "return { }";
  CHECK(key_of(one.text()) != key_of(other.text()));
  other = one;
  other.words.back() = "a=2";
  CHECK(key_of(one.text()) != key_of(other.text()));
  other = one;
  other.program = "trainhost 2";
  CHECK(key_of(one.text()) != key_of(other.text()));
  other = one;
  other.warmup = true;
  CHECK(key_of(one.text()) != key_of(other.text()));
}
