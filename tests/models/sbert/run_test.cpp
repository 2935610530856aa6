// The sbert plugin through the real programs: each loss on several worlds, strategies, resuming,
// data from files, and what is wrong with them.
#include <filesystem>
#include <regex>
#include <sstream>

#include "run_support.h"

namespace {

using namespace sbert::testing;
using Catch::Matchers::Contains;

std::string loss(const std::string& name) { return "model.loss=" + name; }

/// Pairs of sentences with a score, all different.
std::string some_pairs(int rows) {
  std::string out;
  for (int i = 0; i < rows; ++i) {
    const std::string a(1, static_cast<char>('a' + i % 26)), b(1, static_cast<char>('a' + i % 7));
    out += std::to_string(i % 11 / 10.0) + "\t" + a + " " + b + " a" + "\t" + b + " " + a + "\n";
  }
  return out;
}

/// What a step reduced, as tests/models/transformer/counting says.
struct Counted {
  int backwards = 0, reductions = 0;
  std::int64_t elements = 0;
};

std::vector<Counted> counted(const Bench& bench, const Arguments& settings) {
  bench.done(bench.run("counted-" + settings.front(),
                       settings + Arguments{"strategy=counting", ranks(2)}));
  const std::string log = read(bench.folder / ("counted-" + settings.front() + "/log.txt"));
  const std::regex line("counted: (\\d+) backwards, (\\d+) reductions, (\\d+) elements");
  std::vector<Counted> out;
  for (std::sregex_iterator at(log.begin(), log.end(), line), end; at != end; ++at) {
    out.push_back({std::stoi((*at)[1]), std::stoi((*at)[2]), std::stoll((*at)[3])});
  }
  return out;
}

}  // namespace

TEST_CASE("every loss is the same on 1, 2 and 4 ranks") {
  const Bench bench;
  const Arguments settings = GENERATE(
      Arguments{loss("cosine")}, Arguments{loss("cosent")}, Arguments{loss("mnrl")},
      Arguments{loss("cached_mnrl"), "model.mini_batch=2"}, Arguments{loss("softmax_nli")},
      Arguments{loss("triplet")},
      Arguments{loss("mnrl"), "model.matryoshka_dims={16,8}", "model.matryoshka_weights={1,0.5}"});
  INFO(settings.front());
  const auto one = bench.losses_of("one", settings + Arguments{"strategy=single"});
  for (const int world : {2, 4}) {
    const std::string name = "world" + std::to_string(world);
    INFO(name);
    check_same(one, bench.losses_of(name, settings + Arguments{ranks(world)}), 2e-5);
  }
}

TEST_CASE("GradCache computes the loss of the whole batch") {
  const Bench bench;
  const auto whole = bench.losses_of("whole", {loss("mnrl")});
  check_same(whole, bench.losses_of("cached", {loss("cached_mnrl"), "model.mini_batch=5"}), 2e-5);
  check_same(whole,
             bench.losses_of("again", {loss("cached_mnrl"), "model.mini_batch=5", ranks(2),
                                       "train.activation_checkpointing=all"}),
             2e-5);
}

TEST_CASE("GradCache reduces gradients once a step") {
  const Bench bench;
  const auto plain = counted(bench, {loss("mnrl")});
  const auto cached = counted(bench, {loss("cached_mnrl"), "model.mini_batch=2"});
  REQUIRE(plain.size() == 10);
  REQUIRE(cached.size() == plain.size());
  for (std::size_t step = 0; step < plain.size(); ++step) {
    INFO("step " << step + 1);
    CHECK(plain[step].backwards == 1);
    // 6 rows a rank by two, and in the last step of an epoch one row.
    CHECK(cached[step].backwards == (step % 5 == 4 ? 1 : 3));
    CHECK(cached[step].reductions == plain[step].reductions);
    CHECK(cached[step].elements == plain[step].elements);
  }
}

TEST_CASE("every strategy gives the same bits") {
  const Bench bench;
  const std::string name = GENERATE("mnrl", "cached_mnrl");
  INFO(name);
  const std::string out = bench.done(bench.trainhost(
      {"prove", "small.lua", "--world", "2", "--steps", "2", loss(name), "model.mini_batch=4"}));
  CHECK_THAT(out, Contains("every bit"));
}

TEST_CASE("own kernels and ATen's operations train alike") {
  const Bench bench;
  check_same(bench.losses_of("own", {loss("mnrl")}),
             bench.losses_of("aten", {loss("mnrl"), "model.kernels=aten"}), 1e-4);
}

TEST_CASE("bf16 trains like fp32, roughly") {
  const Bench bench;
  check_same(bench.losses_of("fp32", {loss("cosine"), "train.max_steps=4"}),
             bench.losses_of("bf16", {loss("cosine"), "train.max_steps=4", "precision=bf16"}), 0.1);
}

TEST_CASE("a run that goes on is the run that was not interrupted") {
  const Bench bench;
  const Arguments settings{loss("mnrl"), ranks(2)};
  const auto whole = bench.losses_of("whole", settings);
  bench.done(bench.run("parts", settings + Arguments{"train.max_steps=3"}));
  bench.done(bench.trainhost({"resume", bench.folder / "parts", "train.max_steps=0"}));
  CHECK(trainhost::testing::losses(bench.folder / "parts") == whole);
  CHECK(trainhost::testing::checkpoint_bytes(bench.folder / "parts") ==
        trainhost::testing::checkpoint_bytes(bench.folder / "whole"));
}

TEST_CASE("training finds what generated sentences have in common") {
  const Bench bench;
  const std::string out = bench.done(
      bench.run("long", {"data.synthetic.rows=600", "train.epochs=6", "train.eval_on_start=true",
                         "train.eval_every=3", "model.encoder.hidden=32"}));
  CHECK_THAT(out, Contains("GENERATED SENTENCES") && Contains("before the first step"));
  const std::string csv =
      read(bench.folder / "long/eval/similarity_evaluation_generated_results.csv");
  CHECK_THAT(csv, Catch::StartsWith("epoch,steps,cosine_pearson,cosine_spearman\n0.0,0,"));
  std::ifstream lines(bench.folder / "long/metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const Json step = Json::parse(line);
    if (!step.contains("loss")) continue;
    CHECK(step["utilisation"].get<double>() > 0);
    CHECK(step["utilisation"].get<double>() <= 1);
  }
  const Json summary = Json::parse(read(bench.folder / "long/summary.json"));
  CHECK(summary["best"]["generated_spearman_cosine"].get<double>() > 0.6);
}

TEST_CASE("evaluation every so many steps, and checkpoints") {
  const Bench bench;
  const std::string out =
      bench.done(bench.run("steps", {"train.eval_every_steps=4", "train.checkpoint_every_steps=3",
                                     "train.keep_checkpoints=9"}));
  CHECK_THAT(out, Contains("evaluation at step 4 in epoch 1") &&
                      Contains("evaluation at step 8 in epoch 2"));
  for (const char* step : {"3", "6", "9", "10"}) {
    CHECK(std::filesystem::exists(bench.folder / (std::string("steps/checkpoints/step-") + step)));
  }
  std::istringstream csv(
      read(bench.folder / "steps/eval/similarity_evaluation_generated_results.csv"));
  std::string places;
  for (std::string line; std::getline(csv, line);) {
    places += line.substr(0, line.find(',', line.find(',') + 1)) + "\n";
  }
  CHECK(places == "epoch,steps\n0.8,4\n1.6,8\n2.0,10\n");
}

TEST_CASE("files of texts train, and mistakes in them are told by file and line") {
  const Bench bench;
  write(bench.folder / "pairs.tsv", some_pairs(40));
  const auto set = [](const std::string& options) {
    return "data.train={{file=\"pairs.tsv\"," + options + "}}";
  };
  const std::string good = R"(label="1",texts={"2","3"})";
  bench.done(bench.run("good", {set(good)}));
  // The second time from the token cache.
  bench.done(bench.run("again", {set(good)}));
  CHECK(trainhost::testing::losses(bench.folder / "good") ==
        trainhost::testing::losses(bench.folder / "again"));

  const Ended column = bench.run("column", {set(R"(label="1",texts={"2","4"})")});
  CHECK(column.code == 2);
  CHECK_THAT(column.output, Contains("pairs.tsv") && Contains("4"));
  const Ended label = bench.run("label", {set(R"(texts={"2","3"})")});
  CHECK(label.code == 2);
  CHECK_THAT(label.output, Contains("cosine") && Contains("no label"));
  write(bench.folder / "pairs.tsv", some_pairs(20) + "high\ta\tb\n" + some_pairs(5));
  const Ended line = bench.run("line", {set(good)});
  CHECK(line.code == 2);
  CHECK_THAT(line.output, Contains("pairs.tsv:21") && Contains("'high'"));
  const std::string counted = bench.done(bench.run("count", {set(good + R"(,bad_lines="count")")}));
  CHECK_THAT(counted, Contains("1 bad lines are left out"));
  const Ended nothing =
      bench.run("nothing", {"data.train={{file=\"none.tsv\",texts={\"1\",\"2\"}}}", loss("mnrl")});
  CHECK(nothing.code == 2);
  CHECK_THAT(nothing.output, Contains("none.tsv"));
}

TEST_CASE("several sets, with losses of their own, in turn") {
  const Bench bench;
  write(bench.folder / "pairs.tsv", some_pairs(30));
  write(bench.folder / "nli.tsv", "0\ta b\tb\n2\tc d\te\n1\tf\tg\n0\th\ti j\n");
  const std::string sets =
      R"(data.train={{file="nli.tsv",label="1",texts={"2","3"},loss="softmax_nli",epochs=1},)"
      R"({file="pairs.tsv",label="1",texts={"2","3"},epochs=1}})";
  const std::string out = bench.done(bench.run("turn", {sets, "data.mix=\"in_turn\"", ranks(2)}));
  CHECK_THAT(out, Contains("epoch 1/2  pairs  step 1/1") && Contains("epoch 2/2  pairs  step 3/3"));
}

TEST_CASE("retrieval, triplets and classes are measured, split over ranks") {
  const Bench bench;
  write(bench.folder / "queries.tsv", "q1\ta b\nq2\tc d\nq3\te\n");
  write(bench.folder / "corpus.tsv", "d1\ta b\nd2\tc d\nd3\tx\nd4\te\n");
  write(bench.folder / "relevant.tsv", "q1\td1\nq2\td2\nq3\td4\n");
  write(bench.folder / "triplets.tsv", "a\ta\tx y z\nb\tb\tq r s\n");
  write(bench.folder / "classes.tsv", "1\ta\ta\n0\tb\tx y\n1\tc\tc\n0\td\tz\n");
  const std::string evaluate =
      R"(data.evaluate={{kind="retrieval",name="find",queries="queries.tsv",corpus="corpus.tsv",relevant="relevant.tsv"},)"
      R"({kind="triplet",name="three",file="triplets.tsv",texts={"1","2","3"}},)"
      R"({kind="binary",name="same",file="classes.tsv",label="1",texts={"2","3"}}})";
  for (const int world : {1, 2}) {
    const std::string name = "world" + std::to_string(world);
    bench.done(bench.run(name, {evaluate, "train.max_steps=1", ranks(world)}));
  }
  const Json one = Json::parse(read(bench.folder / "world1/summary.json"))["final"];
  const Json two = Json::parse(read(bench.folder / "world2/summary.json"))["final"];
  // The same text is its own nearest, whatever the encoder.
  CHECK(one["find_cosine_accuracy@1"] == 1.0);
  CHECK(one["three_cosine_accuracy"] == 1.0);
  CHECK(one["same_cosine_accuracy"] == 1.0);
  REQUIRE(one.size() == two.size());
  for (const auto& [metric, value] : one.items()) {
    INFO(metric);
    CHECK(two[metric].get<double>() == Approx(value.get<double>()).margin(1e-4));
  }
  CHECK(std::filesystem::exists(bench.folder /
                                "world2/eval/Information-Retrieval_evaluation_find_results.csv"));
}
