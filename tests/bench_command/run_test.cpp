// `trainhost bench` with the real program and a model that trains in milliseconds.
#include <signal.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

constexpr const char* kTiny = R"(
return {
  name = "tiny",
  model = { "tiny", rows = 37 },
  devices = { "cpu", count = 1 },
  strategy = "single",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 2, batch = 4 },
}
)";
constexpr const char* kSweep = R"(
local rows = bench.sweep{ recipe = "tiny.lua", base = { devices = { "cpu", count = 2 } }, vary = { strategy = { "ddp", "zero2" } },
                          repeats = 2 }
bench.table{ rows = rows, columns = { "label", { key = "spread.samples_per_s", title = "samples/s" }, "sent_bytes_per_step" } }
bench.plot{ rows = rows, file = "speed", x = "label", y = "spread.samples_per_s" }
)";

std::string read(const std::string& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

struct Place {
  TemporaryFolder folder;
  Place() { write("tiny.lua", kTiny); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
  }
  Ended bench(std::vector<std::string> words) const {
    words.insert(words.begin(), "bench");
    return run(words, folder.path());
  }
  nlohmann::json results(const std::string& script) const {
    return nlohmann::json::parse(read(folder / ("runs/bench/" + script + "/results.json")));
  }
};

/// A PATH without gnuplot, for a while.
class EmptyPath {
 public:
  explicit EmptyPath(const std::string& folder) : before_(std::getenv("PATH")) {
    ::setenv("PATH", folder.c_str(), 1);
  }
  ~EmptyPath() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  const std::string before_;
};

}  // namespace

TEST_CASE("a sweep over two strategies") {
  Place place;
  place.write("s.lua", kSweep);
  const Ended first = place.bench({"s.lua", "--csv", "copy.csv"});
  INFO(first.output);
  REQUIRE(first.code == 0);
  CHECK_THAT(first.output, Contains("[1/4] ddp, repeat 1: ") && Contains("samples/s") &&
                               Contains("4 runs; results: "));
  const auto all = place.results("s");
  REQUIRE(all["runs"].size() == 4);
  const char* order[] = {"ddp", "zero2", "zero2", "ddp"};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& one = all["runs"][i];
    CHECK(one["label"] == order[i]);
    CHECK(one["samples_per_s"].get<double>() > 0);
    CHECK(one["step_ms"]["p95"].get<double>() >= one["step_ms"]["median"].get<double>());
    CHECK(one["objectives"]["fit"]["steps"] == 10);
    CHECK(one["watched"] == "weights");
    CHECK(one["memory_mb_by_rank"].size() == 2);
    // The claim is for the gradients; a few flags go with them.
    const double claimed = one["claims"]["sent_bytes_per_step"];
    CHECK(one["sent_bytes_per_step"].get<double>() >= claimed);
    CHECK(one["sent_bytes_per_step"].get<double>() < claimed + 16);
  }
  CHECK(all["cases"][0]["final"] == all["cases"][1]["final"]);
  CHECK(all["machine"]["devices"][0]["kind"] == "cpu");
  CHECK(read(place.folder / "copy.csv") == read(place.folder / "runs/bench/s/results.csv"));
  CHECK(fs::exists(place.folder / "runs/bench/s/speed.gp"));
  const Ended again = place.bench({"s.lua"});
  CHECK_THAT(again.output, Contains("4 runs, 4 of them from earlier commands"));
}

TEST_CASE("without gnuplot the data of pictures are kept, and it is said") {
  Place place;
  place.write("s.lua", R"(
    bench.plot{ rows = { { a = "x", b = 1 } }, file = "one", x = "a", y = "b" }
    bench.plot{ rows = { { a = "x", b = 1 } }, file = "two", x = "a", y = "b" })");
  Ended ended;
  {
    const EmptyPath nothing(place.folder.path());
    ended = place.bench({"s.lua", "--out", "o"});
  }
  CHECK(ended.code == 0);
  const std::size_t said = ended.output.find("there is no gnuplot");
  REQUIRE(said != std::string::npos);
  CHECK(ended.output.find("there is no gnuplot", said + 1) == std::string::npos);
  CHECK(fs::exists(place.folder / "o/two.dat"));
  CHECK_FALSE(fs::exists(place.folder / "o/two.svg"));
}

TEST_CASE("a failed run is in the table, and in the exit code") {
  Place place;
  place.write("s.lua", R"(
    local rows = bench.sweep{ recipe = "tiny.lua", vary = { strategy = { "nonsense", "single" } } }
    bench.table{ rows = rows, columns = { "label", "samples_per_s" } })");
  const Ended ended = place.bench({"s.lua"});
  CHECK(ended.code == 1);
  CHECK_THAT(ended.output,
             Contains("failed: command line: unknown strategy 'nonsense'") && Contains("1 FAILED"));
  CHECK(place.results("s")["cases"][1]["outcome"] == "done");
}

TEST_CASE("an interrupted benchmark goes on") {
  Place place;
  place.write("s.lua", R"(
    bench.sweep{ recipe = "tiny.lua", cases = {
      { label = "short" }, { label = "long", overrides = { train = { epochs = bench.option{ name = "long", default = 2 } } } } } })");
  Running running({"bench", "s.lua", "long=1000000"}, place.folder.path());
  REQUIRE(running.wait_for("[1/2] short"));
  // Until the second one trains: its metrics are there.
  fs::path metrics;
  while (metrics.empty() || !fs::exists(metrics) || fs::file_size(metrics) == 0) {
    for (const auto& entry : fs::directory_iterator(place.folder / "runs/bench/s/runs")) {
      const bool second = entry.is_directory() && !fs::exists(entry.path().string() + ".json");
      if (second) metrics = entry.path() / "metrics.jsonl";
    }
  }
  ::kill(running.pid(), SIGINT);
  const Ended stopped = running.wait();
  CHECK(stopped.code == 130);
  CHECK_THAT(stopped.output, Contains("the same command goes on from here"));
  // The run that was interrupted wrote its checkpoint.
  CHECK(fs::exists(metrics.parent_path() / "checkpoints"));
  CHECK(place.results("s")["runs"].size() == 1);
  const Ended again = place.bench({"s.lua"});
  CHECK(again.code == 0);
  CHECK_THAT(again.output, Contains("2 runs, 1 of them from earlier commands"));
}

TEST_CASE("misuse is refused before anything runs") {
  Place place;
  place.write("s.lua", "bench.option{ name = \"repeats\", default = 1 }\nbench.print(1)\n");
  CHECK(place.bench({}).code == 2);
  CHECK_THAT(place.bench({"none.lua"}).output, Contains("there is no such script"));
  CHECK_THAT(place.bench({"compare_strategie"}).output,
             Contains("did you mean 'compare_strategies.lua'"));
  const Ended wrong = place.bench({"s.lua", "repeat=2"});
  CHECK(wrong.code == 2);
  CHECK_THAT(wrong.output, Contains("did you mean 'repeats'"));
  const Ended help = place.bench({"s.lua", "--help"});
  CHECK(help.code == 0);
  CHECK_THAT(help.output, Contains("repeats=integer") && Contains("--fresh"));
}

TEST_CASE("the README's example works") {
  const std::string readme = read(TRAINHOST_SOURCE "/host/bench/README.md");
  const std::size_t begin = readme.find("```lua\n") + 7;
  REQUIRE(begin > 7);
  Place place;
  place.write("example.lua", readme.substr(begin, readme.find("```", begin) - begin));
  const Ended ended = place.bench({"example.lua", "repeats=1"});
  INFO(ended.output);
  CHECK(ended.code == 0);
  CHECK_THAT(read(place.folder / "runs/bench/example/speed.md"),
             Contains("| label | samples/s | p95, ms |\n") && Contains("| zero2 | "));
}

TEST_CASE("the shipped scripts compare and scale") {
  Place place;
  const Ended compared = place.bench({"compare_strategies", "recipe=tiny.lua",
                                      "strategies=ddp,deepspeed_stage_2,nonsense", "warmup=0"});
  INFO(compared.output);
  CHECK(compared.code == 1);
  CHECK_THAT(compared.output, Contains("samples/s") && Contains("one device") &&
                                  Contains("deepspeed_stage_2") && Contains("equal") &&
                                  Contains("is the fastest: ") && Contains("needs least memory") &&
                                  Contains("failed: command line: unknown strategy 'nonsense'"));
  const Ended scaled =
      place.bench({"scaling", "recipe=tiny.lua", "numbers=1,2", "repeats=1", "warmup=0"});
  INFO(scaled.output);
  CHECK(scaled.code == 0);
  CHECK_THAT(scaled.output, Contains("strong") && Contains("weak") && Contains("efficiency %"));
  CHECK(fs::exists(place.folder / "runs/bench/scaling/speedup.dat"));
}
