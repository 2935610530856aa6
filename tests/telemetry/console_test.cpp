#include "host/telemetry/console.h"

#include <catch2/catch.hpp>
#include <string>

#include "host/telemetry/evaluation_table.h"
#include "host/telemetry/text_layout.h"

using namespace trainhost;
using namespace trainhost::telemetry;

namespace {

struct Watched {
  std::string out, err;
  Console console;

  explicit Watched(bool terminal, std::size_t width = 80, bool color = false)
      : console({.out = [this](std::string_view text) { out += text; },
                 .err = [this](std::string_view text) { err += text; },
                 .terminal = terminal,
                 .color = color,
                 .width = width}) {
    console.take(0,
                 Ready{.parameters = 1200000,
                       .parameter_bytes = 4800000,
                       .units = 3,
                       .epochs = 5,
                       .objectives = {{"cf", 4, 32}},
                       .facts = {}},
                 0);
    err.clear();
  }
  // What has been written since the last look.
  std::string take() { return std::exchange(err, {}); }
};

Step step(std::int64_t number, std::int64_t epoch = 0) {
  return {.objective = "cf",
          .epoch = epoch,
          .step = number,
          .steps = 4,
          .global_step = number,
          .loss = 0.5,
          .lr = 0.001,
          .samples_per_s = 12345,
          .step_ms = 500,
          .data_wait_ms = 10};
}

Evaluation evaluation(bool best) {
  return {.epoch = 1,
          .split = "validation",
          .metrics = {{"recall@20", 0.14321, 0.122},
                      {"recall@40", 0.2, 0.1804},
                      {"ndcg@20", 0.1, kNone},
                      {"coverage", 0.5, kNone}},
          .watched = "recall@20",
          .best = 0.15,
          .is_best = best,
          .seconds = 1.25,
          .trivial = "popularity"};
}

}  // namespace

TEST_CASE("numbers for people") {
  CHECK(count_text(12345.6) == "12.3 k");
  CHECK(count_text(9999) == "9999");
  CHECK(count_text(1.2e6) == "1.2 M");
  CHECK(count_text(999.6e3) == "1 M");
  CHECK(count_text(3.25) == "3.25");
  CHECK(count_text(kNone) == "?");
  CHECK(duration_text(0.42) == "0.42 s");
  CHECK(duration_text(12.4) == "12 s");
  CHECK(duration_text(59.6) == "1:00");
  CHECK(duration_text(3725) == "1:02:05");
  CHECK(duration_text(-1) == "?");
  CHECK(duration_text(kNone) == "?");
}

TEST_CASE("texts are cut, wrapped and boxed by columns, not by bytes") {
  CHECK(cut("übergröße", 9) == "übergröße");
  CHECK(cut("übergröße", 5) == "über…");
  CHECK(cut("abc", 0).empty());
  CHECK(columns("→ü") == 2);
  CHECK(wrap("one two three", 7) == std::vector<std::string>{"one two", "three"});
  CHECK(wrap("averylongword b", 4) == std::vector<std::string>{"averylongword", "b"});
  CHECK(boxed("synthetic graph here", 20) ==
        "+------------------+\n| synthetic graph  |\n| here             |\n"
        "+------------------+\n");
  CHECK(printable("a\x1b[2J\rb\n") == "a [2J b ");
  CHECK(bar(0.5, 12) == "[====>     ]");
  CHECK(bar(1, 6) == "[====]");
  CHECK(bar(kNone, 6) == "[    ]");
}

TEST_CASE("in a pipe a step is a line, and so is an epoch") {
  Watched seen(false);
  seen.console.take(0, step(2), 1);
  CHECK(seen.take() == "epoch 1/5  cf  step 2/4  loss 0.5  lr 0.001  12.3 k samples/s\n");
  Step quiet = step(3);
  quiet.logged = false;
  seen.console.take(0, quiet, 1);
  CHECK(seen.take().empty());
  seen.console.take(0, step(4), 2);
  CHECK(seen.take() ==
        "epoch 1/5  cf  step 4/4  loss 0.5  lr 0.001  12.3 k samples/s\n"
        "epoch 1/5  cf  mean loss 0.5  4 steps in 2 s  12.3 k samples/s\n");
  seen.console.tick(100);
  CHECK(seen.take().empty());
  CHECK(seen.out.empty());
}

TEST_CASE("an epoch whose last step was lost is summed up by the next one") {
  Watched seen(false);
  seen.console.take(0, step(3), 1);
  seen.take();
  seen.console.take(0, step(1, 1), 2);
  CHECK_THAT(seen.take(), Catch::StartsWith("epoch 1/5  cf  mean loss 0.5  3 steps in 1.5 s"));
}

TEST_CASE("on a terminal one line moves, at most ten times a second") {
  Watched seen(true);
  seen.console.take(0, step(1), 1.0);
  CHECK(seen.take() == "epoch 1/5  cf [====>               ] 1/4  loss 0.5  12.3 k/s  ETA 1.5 s\n");
  seen.console.take(0, step(2), 1.05);
  CHECK(seen.take().empty());
  seen.console.tick(1.11);
  CHECK(seen.take() ==
        "\x1b[1A\r\x1b[Jepoch 1/5  cf [=========>          ] 2/4  loss 0.5  12.3 k/s  ETA 1 s\n");
  seen.console.tick(2);
  CHECK(seen.take().empty());  // nothing has changed
}

TEST_CASE("the sensors of a GPU stand at the end of a line, as far as they are known") {
  Watched seen(true, 120);
  seen.console.take(0, Ready{.epochs = 5, .objectives = {}, .facts = {}, .device = "cuda"}, 0);
  seen.take();
  Step warm = step(1);
  warm.utilisation = 0.934;
  warm.power_watts = 411.6;
  warm.temperature_celsius = 61;
  seen.console.take(0, warm, 1);
  CHECK_THAT(seen.take(), Catch::EndsWith("12.3 k/s  ETA 1.5 s  gpu 93 % 412 W 61 °C\n"));
  // A step that is not logged does not ask the device: what was known last stays.
  Step quiet = step(2);
  quiet.logged = false;
  seen.console.take(0, quiet, 2);
  CHECK_THAT(seen.take(), Catch::EndsWith("ETA 1 s  gpu 93 % 412 W 61 °C\n"));
  warm = step(3);
  warm.power_watts = 300;
  seen.console.take(0, warm, 3);
  CHECK_THAT(seen.take(), Catch::EndsWith("ETA 0.5 s  gpu 300 W\n"));
  seen.console.take(0, step(3), 4);
  CHECK_THAT(seen.take(), Catch::EndsWith("ETA 0.5 s\n"));
}

TEST_CASE("sensors give way on a narrow terminal, and are not told of a CPU") {
  const auto line = [](const std::string& device, bool terminal, std::size_t width) {
    Watched seen(terminal, width);
    seen.console.take(0, Ready{.objectives = {}, .facts = {}, .device = device}, 0);
    seen.take();
    Step warm = step(1);
    warm.utilisation = 0.5;
    seen.console.take(0, warm, 1);
    return seen.take();
  };
  CHECK_THAT(line("xpu", true, 80), Catch::Contains("gpu 50 %"));
  CHECK_THAT(line("xpu", true, 45), !Catch::Contains("gpu"));
  CHECK_THAT(line("xpu", true, 45), Catch::Contains("12.3 k/s"));
  CHECK_THAT(line("cpu", true, 80), !Catch::Contains("pu 50"));
  CHECK_THAT(line("cuda", false, 80), Catch::EndsWith("12.3 k samples/s  gpu 50 %\n"));
  CHECK_THAT(line("cpu", false, 80), Catch::EndsWith("12.3 k samples/s\n"));
}

TEST_CASE("on a terminal the log stands above the moving line") {
  Watched seen(true);
  seen.console.take(0, step(1), 1.0);
  seen.take();
  seen.console.take(0, Log{Host::Level::kInfo, 0, "hello"}, 1.01);
  CHECK(seen.take() == "\x1b[1A\r\x1b[Jhello\n");
  seen.console.tick(1.2);
  CHECK_THAT(seen.take(), Catch::StartsWith("epoch 1/5  cf ["));
  seen.console.result("the result\n");
  CHECK(seen.take() == "\x1b[1A\r\x1b[J");
  CHECK(seen.out == "the result\n");
}

TEST_CASE("a narrow terminal is not overrun") {
  for (std::size_t width = 10; width < 100; width += 7) {
    Watched seen(true, width);
    seen.console.take(0, step(1), 1.0);
    const std::string line = seen.take();
    INFO(line);
    CHECK(columns(line.substr(0, line.find('\n'))) < width);
  }
}

TEST_CASE("a resize draws again") {
  Watched seen(true);
  seen.console.take(0, step(1), 1.0);
  seen.take();
  seen.console.resize(40);
  seen.console.tick(1.2);
  CHECK(seen.take() == "\x1b[1A\r\x1b[Jepoch 1/5  cf 1/4  loss 0.5  12.3 k/s …\n");
}

TEST_CASE("an evaluation is a table with the baseline beside each value") {
  CHECK(evaluation_table(evaluation(true)) ==
        "            @20               @40\n"
        "  recall    0.1432 (0.1220)*  0.2000 (0.1804)\n"
        "  ndcg      0.1000\n"
        "  coverage                                      0.5000\n");
  CHECK(evaluation_table(evaluation(true), 45) ==
        "            @20\n"
        "  recall    0.1432 (0.1220)*\n"
        "  ndcg      0.1000\n"
        "            @40\n"
        "  recall    0.2000 (0.1804)\n"
        "  coverage                    0.5000\n");
  CHECK(evaluation_table({}).empty());
  Watched seen(false);
  seen.console.take(0, evaluation(true), 1);
  CHECK_THAT(seen.take(), Catch::StartsWith("evaluation after epoch 2, validation, 1.2 s; the "
                                            "popularity baseline in brackets; * best so far\n"));
  seen.console.take(0, evaluation(false), 1);
  CHECK_THAT(seen.take(), Catch::Contains("best recall@20 so far 0.1500"));
}

TEST_CASE("a stand-in is told in a box") {
  Watched seen(false, 30);
  seen.console.take(0, StandIn{"synthetic graph"}, 0);
  CHECK(seen.take() ==
        "+----------------------------+\n| STAND-IN: synthetic graph  |\n"
        "+----------------------------+\n");
}

TEST_CASE("a loader that the step waits for is told once") {
  Watched seen(false);
  Step slow = step(4);
  slow.data_wait_ms = 200;
  seen.console.take(0, slow, 1);
  CHECK_THAT(seen.take(), Catch::Contains("warning: the loader is what the step waits for: data "
                                          "wait 40 % of the step of 'cf'; raise train.workers"));
  slow.epoch = 1;
  seen.console.take(0, slow, 2);
  CHECK_THAT(seen.take(), !Catch::Contains("warning"));
}

TEST_CASE("other ranks are heard when they warn") {
  Watched seen(false);
  seen.console.take(1, Log{Host::Level::kInfo, 1, "quiet"}, 0);
  seen.console.take(1, step(1), 0);
  seen.console.take(0, Log{Host::Level::kDebug, 0, "quiet"}, 0);
  CHECK(seen.take().empty());
  seen.console.take(1, Log{Host::Level::kWarning, 1, "loud"}, 0);
  CHECK(seen.take() == "warning: [rank 1] loud\n");
  seen.console.rank_output(1, "from\x1b[1Ma library");
  CHECK(seen.take() == "[rank 1] from [1Ma library\n");
}

TEST_CASE("long work shows rate and end, in a pipe now and then") {
  SECTION("terminal") {
    Watched seen(true);
    seen.console.take(0, Progress{"reading train.txt", 0, 1000}, 0);
    seen.take();
    seen.console.take(0, Progress{"reading train.txt", 500, 1000}, 5);
    CHECK(seen.take() ==
          "\x1b[1A\r\x1b[Jreading train.txt [=========>          ] 500/1000  100/s  "
          "ETA 5 s\n");
    seen.console.take(0, Phase{"data", false, 5}, 6);
    seen.console.tick(7);
    CHECK(seen.take() == "\x1b[1A\r\x1b[J");
  }
  SECTION("pipe") {
    Watched seen(false);
    seen.console.take(0, Progress{"reading", 0, 1000}, 0);
    CHECK(seen.take() == "reading  0/1000\n");
    seen.console.take(0, Progress{"reading", 100, 1000}, 1);
    CHECK(seen.take().empty());
    seen.console.take(0, Progress{"reading", 600, 1000}, 11);
    CHECK(seen.take() == "reading  600/1000\n");
    seen.console.take(0, Progress{"reading", 1000, 1000}, 12);
    CHECK(seen.take() == "reading  1000/1000\n");
  }
}

TEST_CASE("a banner aligns its rows and ends in its warnings") {
  Watched seen(false, 60);
  seen.console.banner({.title = "trainhost 0.1.0",
                       .rows = {{"model", "kgat"}, {"precision", "fp32"}},
                       .warnings = {"4 ranks share 2 CPU cores"}});
  CHECK(seen.take() ==
        "trainhost 0.1.0\n  model      kgat\n  precision  fp32\n"
        "warning: 4 ranks share 2 CPU cores\n");
}

TEST_CASE("a long row of the banner is wrapped on a terminal, and whole in a pipe") {
  const Banner banner{.title = "t",
                      .rows = {{"chain", "cuda: no driver → xpu: none → cpu: 2 ranks"}}};
  Watched terminal(true, 40), pipe(false, 40);
  terminal.console.banner(banner);
  pipe.console.banner(banner);
  CHECK(terminal.take() == "t\n  chain  cuda: no driver → xpu: none →\n         cpu: 2 ranks\n");
  CHECK(pipe.take() == "t\n  chain  cuda: no driver → xpu: none → cpu: 2 ranks\n");
}

TEST_CASE("colour is for terminals that want it") {
  Watched plain(true, 80, false), painted(true, 80, true);
  plain.console.warning("w");
  painted.console.warning("w");
  CHECK(plain.take() == "warning: w\n");
  CHECK(painted.take() == "\x1b[33mwarning:\x1b[0m w\n");
}
