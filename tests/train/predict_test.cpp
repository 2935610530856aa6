// predict and export of a trained KGAT, by the real programs: equal to the run's own evaluation.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "trainhost/safetensors.h"
#include "trainhost_process.h"

namespace {

using namespace trainhost::testing;
using Catch::Matchers::Contains;
using Arguments = std::vector<std::string>;

constexpr int kUsers = 30, kItems = 40, kBest = 5;

constexpr const char* kRecipe = R"(
return {
  name = "books",
  model = { "kgat", embed_dim = 8, layer_dims = { 8, 4 }, ks = { 5 }, pretrain = { epochs = 0 } },
  data = { dir = "data" },
  devices = { "cpu", count = 1 }, strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 },
  train = { epochs = 2, batch = 64, seed = 5 },
}
)";

constexpr const char* kTiny = R"(
return {
  name = "tiny", model = { "tiny", rows = 37 }, devices = { "cpu", count = 1 }, strategy = "ddp",
  optimizer = { "adam", lr = 1e-2 }, train = { epochs = 1, batch = 12, seed = 5 },
}
)";

std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// User u likes the items that leave the rest u % 5; the last digit says what is for the test.
struct Books {
  TemporaryFolder folder;
  std::map<int, std::set<int>> train, test;

  Books() {
    std::filesystem::create_directory(folder / "data");
    std::ofstream train_file(folder / "data/train.txt"), test_file(folder / "data/test.txt"),
        graph(folder / "data/kg_final.txt");
    for (int user = 0; user < kUsers; ++user) {
      train_file << user;
      test_file << user;
      for (int item = user % 5; item < kItems; item += 5) {
        const bool held_out = (item + user) % 4 == 0;
        (held_out ? test_file : train_file) << ' ' << item;
        (held_out ? test : train)[user].insert(item);
      }
      train_file << '\n';
      test_file << '\n';
    }
    for (int item = 0; item < kItems; ++item) graph << item << " 0 " << kItems + item % 5 << '\n';
    std::ofstream(folder / "books.lua") << kRecipe;
    std::ofstream(folder / "tiny.lua") << kTiny;
  }
  Ended run(const Arguments& arguments) const {
    return trainhost::testing::run(arguments, folder.path());
  }
  void train_it() const {
    const Ended ended = run({"books.lua"});
    INFO(ended.output);
    REQUIRE(ended.code == 0);
  }
};

struct Answer {
  int item = 0;
  double score = 0;
};

std::map<int, std::vector<Answer>> answers(const std::string& file) {
  std::istringstream lines(read(file));
  std::string line;
  std::getline(lines, line);
  CHECK(line == "user,rank,item,score\r");
  std::map<int, std::vector<Answer>> out;
  int user = 0, rank = 0;
  Answer answer;
  char comma = ',';
  while (lines >> user >> comma >> rank >> comma >> answer.item >> comma >> answer.score) {
    out[user].push_back(answer);
    CHECK(rank == static_cast<int>(out[user].size()));
  }
  return out;
}

TEST_CASE("predictions for all users have the recall that the run's evaluation found") {
  const Books books;
  books.train_it();
  const Ended ended = books.run({"predict", "runs/books", "--users", "all", "-k",
                                 std::to_string(kBest), "--output", "top.csv"});
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto predicted = answers(books.folder / "top.csv");
  REQUIRE(predicted.size() == kUsers);
  double recall = 0;
  for (const auto& [user, wanted] : books.test) {
    int hits = 0;
    for (const Answer& answer : predicted.at(user)) {
      hits += wanted.contains(answer.item) ? 1 : 0;
      CHECK_FALSE(books.train.at(user).contains(answer.item));
    }
    recall += static_cast<double>(hits) / static_cast<double>(wanted.size());
  }
  const auto metrics = nlohmann::json::parse(read(books.folder / "runs/books/best/metrics.json"));
  CHECK(recall / static_cast<double>(books.test.size()) ==
        Approx(metrics.at("metrics").at("recall@5").get<double>()).epsilon(1e-12));
}

TEST_CASE("an export holds the vectors whose products are the scores") {
  const Books books;
  books.train_it();
  Ended ended = books.run({"export", "runs/books", "--to", "out"});
  INFO(ended.output);
  REQUIRE(ended.code == 0);
  const auto json = nlohmann::json::parse(read(books.folder / "out/model.json"));
  CHECK(json.at("model") == "kgat");
  CHECK(json.at("counts").at("users") == kUsers);
  CHECK(json.at("tensors")[0].at("dimensions") == nlohmann::json({"node", "embed_dim"}));
  CHECK(read(books.folder / "out/model.safetensors") ==
        read(books.folder / "runs/books/best/model.safetensors"));

  ended = books.run({"predict", "runs/books", "--users", "3", "-k", "40", "--with-train-items",
                     "--output", "top.csv"});
  REQUIRE(ended.code == 0);
  const auto predicted = answers(books.folder / "top.csv").at(3);
  CHECK(predicted.size() == kItems);
  const trainhost::SafetensorsReader vectors(books.folder / "out/vectors.safetensors");
  const at::Tensor users = vectors.tensor("user_vectors"), items = vectors.tensor("item_vectors");
  REQUIRE(users.size(0) == kUsers);
  const std::int64_t d = users.size(1);
  for (const Answer& answer : predicted) {
    double score = 0;
    for (std::int64_t c = 0; c < d; ++c) {
      score += static_cast<double>(users.const_data_ptr<float>()[3 * d + c]) *
               static_cast<double>(items.const_data_ptr<float>()[answer.item * d + c]);
    }
    CHECK(answer.score == Approx(score).margin(1e-5));
  }

  ended = books.run({"export", "runs/books", "--to", "out"});
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("exists and is not empty"));
}

TEST_CASE("the newest checkpoint of a finished run can be used too") {
  const Books books;
  books.train_it();
  CHECK(books.run({"predict", "runs/books", "--users", "1", "--last", "--output", "a"}).code == 0);
  CHECK(
      books
          .run({"predict", "runs/books", "--users", "1", "--checkpoint", "step-1", "--output", "b"})
          .code == 2);
}

TEST_CASE("what is asked wrongly is refused, and no file stays") {
  const Books books;
  books.train_it();
  const auto refused = [&](const Arguments& more) {
    Arguments all{"predict", "runs/books", "--output", "top.csv"};
    all.insert(all.end(), more.begin(), more.end());
    const Ended ended = books.run(all);
    CHECK(ended.code == 2);
    CHECK_FALSE(std::filesystem::exists(books.folder / "top.csv"));
    CHECK_FALSE(std::filesystem::exists(books.folder / "top.csv.partial"));
    return ended.output;
  };
  CHECK_THAT(refused({"--users", "1,77,x"}), Contains("'77', 'x'") && Contains("from 0 to 29"));
  CHECK_THAT(refused({"--users", "1", "-k", "0"}), Contains("k must be from 1"));
  CHECK_THAT(refused({"userz=1"}), Contains("did you mean 'users'"));
  CHECK_THAT(refused({"--users", "1", "data.dir=/no/such/folder"}), Contains("data.dir=DIR"));
  std::filesystem::remove_all(books.folder / "runs/books/best");
  CHECK_THAT(refused({"--users", "1"}), Contains("no best model yet"));
  CHECK_THAT(books.run({"predict", "nowhere", "--output", "x"}).output,
             Contains("no such run directory"));
}

TEST_CASE("a model without the ability says so") {
  const Books books;
  REQUIRE(books.run({"tiny.lua"}).code == 0);
  const Ended ended = books.run({"predict", "runs/tiny", "--output", "x"});
  CHECK(ended.code == 2);
  CHECK_THAT(ended.output, Contains("model 'tiny' cannot predict"));
  CHECK(books.run({"export", "runs/tiny", "--to", "out"}).code == 0);
}

}  // namespace
