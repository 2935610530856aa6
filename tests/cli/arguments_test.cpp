// The command line: what is understood, and what is said to what is not.
#include "host/cli/arguments.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "program.h"
#include "trainhost/error.h"

using namespace trainhost;
using namespace trainhost_test;
using Catch::Contains;
using cli::parse_arguments;

namespace {

template <class T>
T parsed(const std::vector<std::string>& words) {
  return std::get<T>(parse_arguments(words));
}

}  // namespace

TEST_CASE("a run's words are understood in any order") {
  const auto run = parsed<cli::RunArguments>({"a.lua", "devices=-1", "--run-dir", "x",
                                              "model.layer_dims=[64,32]", "--plugin", "p.so",
                                              "--plugin", "q.so", "data.dir=/x"});
  CHECK(run.recipe == "a.lua");
  CHECK(run.overrides ==
        std::vector<std::string>{"devices=-1", "model.layer_dims=[64,32]", "data.dir=/x"});
  CHECK(run.run_directory == "x");
  CHECK(run.plugins == std::vector<std::string>{"p.so", "q.so"});
  CHECK(parsed<cli::RunArguments>({"--run-dir", "x", "a.lua"}).recipe == "a.lua");
}

TEST_CASE("the commands") {
  const auto describe = parsed<cli::DescribeArguments>(
      {"describe", "a.lua", "--world", "1,3", "--json", "train.batch=2"});
  CHECK(describe.worlds == std::vector<std::int64_t>{1, 3});
  CHECK(describe.json);
  CHECK(describe.overrides == std::vector<std::string>{"train.batch=2"});
  CHECK(parsed<cli::DescribeArguments>({"describe", "a"}).worlds.size() == 4);
  const auto measured =
      parsed<cli::DescribeArguments>({"describe", "a", "--probe", "--measure", "--steps", "3"});
  CHECK((measured.probe && measured.measure && measured.steps == 3));
  CHECK_FALSE((describe.probe || describe.measure));
  CHECK(parsed<cli::ResumeArguments>({"resume", "runs/a"}).run_directory == "runs/a");
  CHECK(parsed<cli::PluginsArguments>({"plugins", "--json"}).json);
  const auto check = parsed<cli::CheckPluginArguments>(
      {"check-plugin", "a.so", "--only", "elf,scan", "--only", "leaks", "--quick", "--seed", "3",
       "--worlds", "2,8", "--device", "cuda", "--set", "model.x=1", "--set", "data.dir=/a"});
  CHECK(check.only == std::vector<std::string>{"elf", "scan", "leaks"});
  CHECK(check.worlds == std::vector<std::int64_t>{2, 8});
  CHECK(check.overrides == std::vector<std::string>{"model.x=1", "data.dir=/a"});
  CHECK((check.quick && check.seed == 3 && check.device == "cuda" && !check.list));
  CHECK(parsed<cli::RecipesArguments>({"recipes"}).copy.empty());
  CHECK(parsed<cli::RecipesArguments>({"recipes", "copy", "quickstart", "x"}).to == "x");
}

TEST_CASE("what places a trained model and what is asked of it are told apart") {
  const auto predict = parsed<cli::PredictArguments>(
      {"predict", "runs/a", "--users", "1,2", "-k", "5", "--with-train-items", "data.dir=/x",
       "devices=cpu", "extra=1", "--output", "-", "--checkpoint", "step-3"});
  CHECK(predict.model.run_directory == "runs/a");
  CHECK(predict.model.checkpoint == "step-3");
  CHECK(predict.model.overrides == std::vector<std::string>{"data.dir=/x", "devices=cpu"});
  CHECK(predict.options ==
        std::vector<std::string>{"extra=1", "users=1,2", "k=5", "with_train_items=true"});
  CHECK(predict.output == "-");
  CHECK(parsed<cli::PredictArguments>({"predict", "a", "--output", "f"}).options.empty());
  CHECK(parsed<cli::ExportArguments>({"export", "a", "--to", "b", "--last"}).model.last);
  CHECK_THROWS_WITH(parse_arguments({"predict", "a"}), Contains("--output"));
  CHECK_THROWS_WITH(parse_arguments({"export", "a"}), Contains("--to"));
  CHECK_THROWS_WITH(parse_arguments({"export", "a", "--to", "b", "--last", "--checkpoint", "c"}),
                    Contains("--last"));
}

TEST_CASE("help is a text, everywhere") {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--help"},
                                                {"-h"},
                                                {"help"},
                                                {"a.lua", "--help"},
                                                {"describe", "--help"},
                                                {"resume", "-h"},
                                                {"plugins", "--help"},
                                                {"check-plugin", "--help"},
                                                {"recipes", "--help"},
                                                {"--version"}}) {
    INFO(words.back());
    CHECK_FALSE(parsed<cli::Text>(words).text.empty());
  }
}

TEST_CASE("what is not understood is refused with a hint") {
  struct Case {
    std::vector<std::string> words;
    std::string hint;
  };
  const std::vector<Case> cases = {
      {{}, "Usage:"},
      {{"describ"}, "did you mean 'describe'?"},
      {{"plugin"}, "did you mean 'plugins'?"},
      {{"a.lua", "b.lua"}, "'b.lua' is no key=value"},
      {{"a.lua", "--rundir=x"}, "did you mean '--run-dir'?"},
      {{"a.lua", "--run-dir"}, "--run-dir"},
      {{"describe"}, "RECIPE"},
      {{"describe", "a.lua", "--world", "0"}, "--world 1,2,4,8"},
      {{"describe", "a.lua", "--world", "1,,2"}, "--world 1,2,4,8"},
      {{"describe", "a.lua", "--world", "99999999999999"}, "--world 1,2,4,8"},
      {{"resume"}, "RUN"},
      {{"check-plugin"}, "FILE"},
      {{"check-plugin", "a.so", "--worlds", "0"}, "--world"},
      {{"check-plugin", "a.so", "--set", "x"}, "key=value"},
      {{"plugins", "extra"}, "extra"},
  };
  for (const Case& each : cases) {
    INFO(each.hint);
    try {
      parse_arguments(each.words);
      FAIL_CHECK("nothing was thrown");
    } catch (const Error& error) {
      CHECK(error.failure() == Failure::kUser);
      CHECK_THAT(error.what(), Contains(each.hint));
    }
  }
}

TEST_CASE("the program says the same, and exits with 2") {
  const Workplace place;
  CHECK(run(place, {"--version"}).out == "trainhost " TRAINHOST_VERSION "\n");
  CHECK_THAT(run(place, {"--help"}).out, Contains("Exit codes"));
  CHECK(run(place, {}).code == 2);
  const Ended missing = run(place, {"qickstart.lua"});
  CHECK(missing.code == 2);
  CHECK_THAT(missing.err, Contains("no such recipe; did you mean 'quickstart.lua'?"));
  CHECK(run(place, {"."}).code == 2);
  CHECK_THAT(run(place, {"fake.lua", "train.epoch=1"}).err, Contains("did you mean"));
}

TEST_CASE("recipes are listed and copied") {
  const Workplace place;
  CHECK_THAT(run(place, {"recipes"}).out, Contains("quickstart.lua  A recipe for tests."));
  CHECK(run(place, {"recipes", "copy", "quickstart", "mine"}).code == 0);
  CHECK(place.has("mine/quickstart.lua"));
  const Ended again = run(place, {"recipes", "copy", "quickstart", "mine"});
  CHECK(again.code == 2);
  CHECK_THAT(again.err, Contains("remove that file first"));
}

TEST_CASE("describe shows a column for each world, and plugins lists them") {
  const Workplace place;
  const Ended text = run(place, {"describe", "fake.lua", "--world", "1,2"});
  INFO(text.err);
  CHECK(text.code == 0);
  CHECK_THAT(text.out, Contains("cpu: 2 ranks"));
  const Ended document = run(place, {"describe", "fake.lua", "--world", "1,2", "--json"});
  CHECK(nlohmann::json::parse(document.out)["worlds"].size() == 2);
  const Ended listed = run(place, {"plugins", "--json"});
  CHECK(listed.code == 0);
  CHECK(nlohmann::json::parse(listed.out)["plugins"].size() >= 3);
}
