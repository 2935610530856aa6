// What ranks say of their state, compared.
#include "host/cli/prove_report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "trainhost/error.h"

using namespace trainhost;
using namespace trainhost::cli;
using Catch::Contains;
using telemetry::State;

namespace {

State state(int rank, const std::string& place, double loss, std::vector<State::Tensor> tensors) {
  return {rank, place, loss, std::move(tensors)};
}
State::Tensor whole(const std::string& name, const std::string& hash) {
  return {name, hash, 10, 10, true};
}
State::Tensor slice(const std::string& name, const std::string& hash, std::int64_t elements) {
  return {name, hash, elements, 10, false};
}

ProvedRun reference() {
  ProvedRun run("single");
  run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f"), whole("optimizer/a", "20")}));
  run.add(state(0, "end of the epoch", telemetry::kNone, {whole("parameter/a", "1e")}));
  return run;
}

}  // namespace

TEST_CASE("slices add up to what one rank holds whole") {
  ProvedRun run("zero1");
  run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f"), slice("optimizer/a", "8", 4)}));
  run.add(state(1, "cf 1", 0.5, {whole("parameter/a", "1f"), slice("optimizer/a", "18", 6)}));
  run.add(state(1, "end of the epoch", telemetry::kNone, {whole("parameter/a", "1e")}));
  run.add(state(0, "end of the epoch", telemetry::kNone, {whole("parameter/a", "1e")}));
  CHECK_FALSE(first_difference(reference(), run));
  CHECK(run.hash() == reference().hash());
  CHECK(all_equal({reference(), run}));
}

TEST_CASE("the first difference is named") {
  ProvedRun run("ddp");
  const double none = telemetry::kNone;
  std::string place = "cf 1", tensor, text;
  SECTION("other bits") {
    run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f"), whole("optimizer/a", "21")}));
    tensor = "optimizer/a", text = "other bits";
  }
  SECTION("another loss") {
    run.add(state(0, "cf 1", 0.25, {whole("parameter/a", "1f"), whole("optimizer/a", "20")}));
    text = "the loss is 0.25, under single it is 0.5";
  }
  SECTION("ranks that disagree") {
    run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f"), whole("optimizer/a", "20")}));
    run.add(state(1, "cf 1", 0.5, {whole("parameter/a", "1d"), whole("optimizer/a", "20")}));
    tensor = "parameter/a", text = "not the same on all ranks";
  }
  SECTION("ranks that disagree, the right one last") {
    run.add(state(1, "cf 1", 0.5, {whole("parameter/a", "1d"), whole("optimizer/a", "20")}));
    run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f"), whole("optimizer/a", "20")}));
    tensor = "parameter/a", text = "not the same on all ranks";
  }
  SECTION("a part that nobody has") {
    run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f"), slice("optimizer/a", "20", 6)}));
    tensor = "optimizer/a", text = "6 of 10 elements";
  }
  SECTION("a tensor that nobody has") {
    run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f")}));
    tensor = "optimizer/a", text = "is missing";
  }
  SECTION("a tensor too many") {
    run.add(
        state(0, "cf 1", 0.5,
              {whole("parameter/a", "1f"), whole("optimizer/a", "20"), whole("buffer/b", "1")}));
    tensor = "buffer/b", text = "not there under single";
  }
  SECTION("a run that ended early") {
    run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "1f"), whole("optimizer/a", "20")}));
    place = "end of the epoch", text = "nothing came";
  }
  if (place == "cf 1") run.add(state(0, "end of the epoch", none, {whole("parameter/a", "1e")}));
  const auto difference = first_difference(reference(), run);
  REQUIRE(difference);
  CHECK(difference->place == place);
  CHECK(difference->tensor == tensor);
  CHECK_THAT(difference->text, Contains(text));
  CHECK_FALSE(all_equal({reference(), run}));
  CHECK_THAT(prove_text({}, {reference(), run}), Contains("DIFFERS") && Contains(text));
  const auto json = nlohmann::json::parse(prove_json({}, {reference(), run}));
  CHECK(json["equal"] == false);
  CHECK(json["runs"][1]["first_difference"]["place"] == place);
}

TEST_CASE("a strategy's own state is its own affair") {
  ProvedRun run("diloco");
  run.add(
      state(0, "cf 1", 0.5,
            {whole("parameter/a", "1f"), whole("optimizer/a", "20"), whole("strategy/m", "1")}));
  run.add(state(0, "end of the epoch", telemetry::kNone,
                {whole("parameter/a", "1e"), whole("strategy/m", "2")}));
  CHECK_FALSE(first_difference(reference(), run));
  CHECK(run.hash() == reference().hash());
}

TEST_CASE("what is no hash is refused") {
  ProvedRun run("ddp");
  CHECK_THROWS_AS(run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "xyz")})), Error);
  CHECK_THROWS_AS(run.add(state(0, "cf 1", 0.5, {whole("parameter/a", "")})), Error);
}
