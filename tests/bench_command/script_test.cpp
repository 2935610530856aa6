// The library `bench`, around a stand-in for trainhost.
#include "host/bench/script.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "fixture.h"

using namespace trainhost;
using namespace trainhost::bench;
using bench::testing::Bench;
using Catch::Matchers::Contains;

TEST_CASE("a run gives its measures") {
  Bench bench;
  const std::string printed = bench.run(R"(
    local r = bench.run("recipe.lua", { strategy = "ddp", train = { epochs = 2 } }, { repeats = 3, warmup = 1 })
    bench.print(r.outcome, r.samples_per_s, r.step_ms.p95, r.peak_memory_mb, r.final["recall@20"], r.watched)
    bench.print(r.claims.sent_bytes_per_step, r.sent_bytes_per_step, r.spread.samples_per_s.min, #r.runs, r.repeats)
  )");
  CHECK(printed == "done 300 20 120 0.5 recall@20\n400 400 200 4 3\n");
  CHECK_THAT(bench.read("calls.txt"), Contains("recipe.lua strategy=ddp train.epochs=2 --run-dir"));
  CHECK(bench.failed == 0);
  const Json all = parse(bench.read("out/results.json"));
  CHECK(all["runs"].size() == 4);
  CHECK(all["runs"][0]["warmup"] == true);
  CHECK(all["runs"][3]["load_before"].is_number());
  CHECK(std::filesystem::exists(bench.out(all["runs"][3]["log"])));
  // What takes gigabytes goes; the rest of the run stays.
  const std::string directory = bench.out(all["runs"][3]["run_directory"]);
  CHECK(std::filesystem::exists(directory + "/summary.json"));
  CHECK_FALSE(std::filesystem::exists(directory + "/checkpoints"));
}

TEST_CASE("a sweep takes turns, and what succeeded is not repeated") {
  Bench bench;
  const char* sweep = R"(
    local rows = bench.sweep{ recipe = "recipe.lua", vary = { strategy = { "a", "b" } }, repeats = 2, warmup = 1 }
    bench.table{ rows = rows, columns = { "label", { key = "spread.samples_per_s", title = "rate" } }, file = "t.md" })";
  CHECK_THAT(bench.run(sweep), Contains("label") && Contains("a      450 (300–600)"));
  CHECK(bench.calls() == "a b a b b a");
  CHECK_THAT(bench.read("out/t.md"), Contains("| label | rate |"));
  CHECK_THAT(bench.run(sweep), Contains("a      450 (300–600)"));
  CHECK(bench.calls().empty());
  CHECK(bench.reused == 6);
  bench.run(sweep, {}, true);
  CHECK(bench.calls() == "a b a b b a");
  // Another recipe is another run.
  bench.write("recipe.lua", "return { }\n");
  bench.run(sweep);
  CHECK(bench.calls() == "a b a b b a");
}

TEST_CASE("failures are recorded and passed over") {
  Bench bench;
  const char* sweep = R"(
    local rows = bench.sweep{ recipe = "recipe.lua", vary = { strategy = { "fails", "refused", "crashes", "ddp" } }, repeats = 2 }
    bench.table{ rows = rows, columns = { "label", "samples_per_s" } }
    for _, row in ipairs(rows) do bench.print(row.outcome, row.exit_code or "-", row.reason or "-") end)";
  const std::string printed = bench.run(sweep);
  CHECK_THAT(printed, Contains("failed 4 training: out of memory\n") &&
                          Contains("failed 2 recipe.lua:3: unknown strategy 'refused'\n") &&
                          Contains("failed - ended by signal 11") && Contains("done 0 -\n"));
  CHECK_THAT(printed, Contains("fails                –  failed: training: out of memory"));
  // A refusal is not asked for twice.
  CHECK(bench.calls() == "fails refused crashes ddp ddp crashes fails");
  CHECK(bench.failed == 5);
  // Failures are tried again, successes are not.
  bench.run(sweep);
  CHECK(bench.calls() == "fails refused crashes crashes fails");
}

TEST_CASE("an interrupted sweep goes on where it stopped") {
  Bench bench;
  const char* sweep =
      R"(bench.sweep{ recipe = "recipe.lua", vary = { strategy = { "ddp", "slow", "dp" } } })";
  const std::string impatient = "(while [ ! -e " + bench.path("started") +
                                " ]; do sleep 0.01; done; kill -INT " + std::to_string(::getpid()) +
                                ") &";
  REQUIRE(std::system(impatient.c_str()) == 0);
  CHECK_THROWS_WITH(bench.run(sweep), Contains("interrupted"));
  CHECK(bench.interrupted == SIGINT);
  CHECK(bench.calls() == "ddp slow");
  CHECK(parse(bench.read("out/results.json"))["runs"].size() == 1);
  bench.write("trainhost", std::string(bench::testing::kFakeTrainhost)
                               .replace(std::string(bench::testing::kFakeTrainhost).find("  slow)"),
                                        7, "  none)"));
  bench.run(sweep);
  CHECK(bench.calls() == "slow dp");
  CHECK(bench.reused == 1);
}

TEST_CASE("a run may take only so long") {
  Bench bench;
  CHECK_THAT(
      bench.run(
          R"(bench.print(bench.run("recipe.lua", { strategy = "slow" }, { timeout = 0.3 }).reason))"),
      Contains("time-out"));
}

TEST_CASE("questions to trainhost") {
  Bench bench;
  const std::string printed = bench.run(R"(
    local p = bench.prove("recipe.lua", { strategy = "ddp" }, { world = 3, steps = 2 })
    local d = bench.describe("recipe.lua", {}, { world = { 1, 2 }, measure = true })
    bench.print(p.outcome, p.answer.equal, d.outcome, bench.prove("recipe.lua", { strategy = "broken" }).reason))");
  CHECK(printed == "done yes done prove: no such thing\n");
  CHECK_THAT(bench.read("calls.txt"),
             Contains("prove recipe.lua strategy=ddp --json --world 3 --steps 2 --quick") &&
                 Contains("--world 1,2 --steps 5 --measure"));
}

TEST_CASE("options are given, declared and known") {
  Bench bench;
  const char* script = R"(
    local n = bench.option{ name = "repeats", default = 2 }
    bench.print(n + 1, bench.options.repeats))";
  CHECK(bench.run(script) == "3 2\n");
  CHECK(bench.run(script, {"repeats=5"}) == "6 5\n");
  CHECK_THAT(bench.failure_of(script, {"repeat=5"}), Contains("did you mean 'repeats'"));
  CHECK_THAT(bench.failure_of("bench.print(bench.options.nothing)"),
             Contains("s.lua:1") && Contains("unknown option 'nothing'"));
  CHECK_THAT(bench.failure_of("local x = 1", {"a=1"}), Contains("no option 'a'"));
}

TEST_CASE("mistakes of a script have their line") {
  Bench bench;
  CHECK_THAT(bench.failure_of("\nbench.sweep{ recipe = 'recipe.lua', repeat_s = 2 }"),
             Contains("s.lua:2") && Contains("repeat_s"));
  CHECK_THAT(bench.failure_of("bench.run(3)"), Contains("s.lua:1: bench.run needs a recipe"));
  CHECK_THAT(bench.failure_of("bench.rum('x')"), Contains("did you mean 'run'"));
  CHECK_THAT(bench.failure_of("bench.table{ rows = 3, columns = {} }"),
             Contains("rows must be a list"));
  CHECK_THAT(bench.failure_of("bench.run('recipe.lua', {}, { repeats = 0 })"), Contains("repeats"));
  CHECK_THAT(bench.failure_of("bench.run('recipe.lua', function() end)"), Contains("function"));
  CHECK_THAT(bench.failure_of("local t = {} t.t = t bench.table{ rows = t, columns = t }"),
             Contains("contains itself"));
}

TEST_CASE("hostile scripts end soon, in a message") {
  Bench bench;
  CHECK_THAT(bench.failure_of("while true do end"), Contains("the script was stopped"));
  CHECK_THAT(bench.failure_of("local t = {} for i = 1, 1e9 do t[i] = { i } end"),
             Contains("the script was stopped"));
  CHECK_THAT(bench.failure_of("bench.write('../x', 'text')"),
             Contains("s.lua:1") && Contains("leave the out folder"));
  CHECK_THAT(bench.failure_of(
                 "bench.plot{ rows = { { a = 'x', b = 1 } }, x = 'a', y = 'b', file = '/tmp/x' }"),
             Contains("absolute path"));
  CHECK_THAT(bench.failure_of("os.execute('true')"), Contains("unknown name 'os'"));
  // Time that runs take is not the script's.
  CHECK(bench.run("for i = 1, 3 do bench.run('recipe.lua', { strategy = 'x', n = i }) end "
                  "bench.print('end')") == "end\n");
}

TEST_CASE("files and spreads") {
  Bench bench;
  CHECK(bench.run(R"(
    bench.write("notes/a.txt", "text\n")
    local s = bench.spread({ 1, 5, 3 })
    bench.print(s.median, s.min, s.max, s.mad, bench.machine().cores))") == "3 1 5 2 2\n");
  CHECK(bench.read("out/notes/a.txt") == "text\n");
}
