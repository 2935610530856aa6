// KGAT through the whole program: worlds that agree, stand-in data, wrong data, quality.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Arguments = std::vector<std::string>;
using Catch::Matchers::Contains;

std::string ranks(int count) { return "devices={\"cpu\",count=" + std::to_string(count) + "}"; }

void write(const std::string& file, const std::string& text) { std::ofstream(file) << text; }

nlohmann::json summary(const std::string& run) {
  std::ifstream file(run + "/summary.json");
  return nlohmann::json::parse(file);
}

const Arguments kSmall{
    "data.synthetic={users=300,items=120,entities=260,relations=4,triples=900,"
    "interactions=5000,seed=3}",
    "train.log_every=1"};

Arguments with(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace

TEST_CASE("KGAT with dropout and pre-training gives the same losses on 1, 2 and 4 ranks") {
  const TemporaryFolder folder;
  const std::string aggregator = GENERATE("bi", "gcn", "graphsage");
  std::map<std::string, double> one;
  for (const int world : {1, 2, 4}) {
    const std::string run_folder = folder / ("run" + std::to_string(world));
    const Ended ended =
        run(with({"quickstart.lua", "--run-dir", run_folder, ranks(world), "train.batch=256",
                  "train.epochs=2", "train.eval_every=0", "model.aggregator=" + aggregator,
                  "model.dropout=0.2", "optimizer.lr=1e-3"},
                 kSmall),
            folder.path());
    INFO(ended.output);
    REQUIRE(ended.code == 0);
    const auto these = losses(run_folder);
    if (world == 1) one = these;
    REQUIRE(these.size() == one.size());
    REQUIRE(one.size() > 50);
    for (const auto& [step, loss] : one) {
      INFO(world << " ranks, " << step);
      CHECK(std::abs(these.at(step) - loss) <= 1e-4 * loss);
    }
  }
}

TEST_CASE("KGAT resumed in the middle of an epoch ends in the same bits") {
  const TemporaryFolder folder;
  const Arguments settings =
      with({"quickstart.lua", ranks(2), "train.batch=256", "train.epochs=2"}, kSmall);
  const Arguments whole = with(settings, {"--run-dir", folder / "whole"});
  const Arguments parts = with(settings, {"--run-dir", folder / "parts", "train.max_steps=40"});
  REQUIRE(run(whole, folder.path()).code == 0);
  REQUIRE(run(parts, folder.path()).code == 0);
  const Ended ended = run({"resume", folder / "parts", "train.max_steps=0"}, folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  CHECK(checkpoint_bytes(folder / "whole") == checkpoint_bytes(folder / "parts"));
}

TEST_CASE("what is due every so many steps is done between objectives too") {
  const TemporaryFolder folder;
  const Ended ended =
      run(with({"quickstart.lua", "--run-dir", folder / "run", ranks(2), "train.batch=512",
                "train.epochs=1", "train.eval_every=0", "train.eval_every_steps=1",
                "train.checkpoint_every_steps=1", "train.keep_checkpoints=999"},
               kSmall),
          folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto steps = losses(folder / "run");
  REQUIRE(steps.size() > 2);
  std::size_t evaluations = 0;
  std::ifstream lines(folder / "run/metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    evaluations += line.find("\"evaluation\"") != std::string::npos ? 1 : 0;
  }
  CHECK(evaluations == steps.size());
  for (std::size_t step = 1; step <= steps.size(); ++step) {
    CHECK(std::filesystem::exists(folder / ("run/checkpoints/step-" + std::to_string(step))));
  }
}

TEST_CASE("a missing data folder is announced, loudly, and kept in the summary") {
  const TemporaryFolder folder;
  const Ended ended = run(with({"kgat_cpu.lua", "--run-dir", folder / "run", "data.dir=not/there",
                                "train.max_steps=2", "model.pretrain.epochs=1"},
                               kSmall),
                          folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  CHECK_THAT(ended.output, Contains("SYNTHETIC DATA") && Contains("not/there"));
  CHECK_THAT(summary(folder / "run")["stand_in"].get<std::string>(), Contains("not/there"));
}

TEST_CASE("wrong data ends with file and line") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "data");
  write(folder / "data/train.txt", "0 1 2\n1 0\n");
  write(folder / "data/test.txt", "0 0\n");
  write(folder / "data/kg_final.txt", "0 0 3\n");
  std::string expected;
  SECTION("an item that is no number") {
    write(folder / "data/train.txt", "0 1 2\n1 x\n");
    expected = "train.txt:2";
  }
  SECTION("a negative id") {
    write(folder / "data/train.txt", "0 1 -2\n");
    expected = "train.txt:1";
  }
  SECTION("a test user who was never seen") {
    write(folder / "data/test.txt", "0 0\n\n7 1\n");
    expected = "test.txt:3";
  }
  SECTION("a triple with a missing field") {
    write(folder / "data/kg_final.txt", "0 0 3\n1 2\n");
    expected = "kg_final.txt:2";
  }
  SECTION("no training data at all") {
    write(folder / "data/train.txt", "\n");
    expected = "train.txt";
  }
  SECTION("a missing file") {
    std::filesystem::remove(folder / "data/kg_final.txt");
    expected = "kg_final.txt";
  }
  const Ended ended =
      run({"kgat_cpu.lua", "--run-dir", folder / "run", "data.dir=data"}, folder.path());
  INFO(ended.output);
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains(expected));
}

TEST_CASE("quickstart learns far more than popularity") {
  const TemporaryFolder folder;
  const Ended ended =
      run({"quickstart.lua", "--run-dir", folder / "run", "train.epochs=4"}, folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto record = summary(folder / "run");
  CHECK(record["best"]["recall@20"].get<double>() >
        3 * record["baseline"]["recall@20"].get<double>());
}

TEST_CASE("on dbbook2014 the paper's recipe beats popularity") {
  const char* data = std::getenv("TRAINHOST_DATA");
  if (data == nullptr) {
    WARN("skipped: TRAINHOST_DATA is not set");
    return;
  }
  const TemporaryFolder folder;
  const Ended ended = run({"kgat_4xT4.lua", "--run-dir", folder / "run",
                           std::string("data.dir=") + data + "/dbbook2014", "devices=2",
                           "train.epochs=2", "train.eval_every=1"},
                          folder.path());
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto record = summary(folder / "run");
  CHECK(record["best"]["recall@20"].get<double>() > record["baseline"]["recall@20"].get<double>());
  CHECK(record["baseline"]["recall@20"].get<double>() == Approx(0.122).margin(0.003));
}
