#include "dataset.h"

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

const std::string kTrain = "0 1 2\n1 0\n2\n", kTest = "0 3\n1 2\n", kTriples = "0 0 4\n1 1 5\n";

std::vector<std::int32_t> row(const Interactions& rows, std::int32_t user) {
  const auto items = rows.of(user);
  return {items.begin(), items.end()};
}

/// Reads a data set of three files given as text.
Dataset read(const std::string& train, const std::string& test = kTest,
             const std::string& triples = kTriples) {
  const TemporaryFolder folder;
  folder.write("train.txt", train);
  folder.write("test.txt", test);
  folder.write("kg_final.txt", triples);
  return read_dataset(folder.path());
}

std::string complaint(const std::string& train, const std::string& test = kTest,
                      const std::string& triples = kTriples) {
  return error_of([&] { read(train, test, triples); });
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

TEST_CASE("counts span train, test and the knowledge graph") {
  const Dataset data = read(kTrain);
  CHECK(data.n_users == 3);
  CHECK(data.n_items == 4);
  CHECK(data.n_entities == 6);
  CHECK(data.triples.n_relations == 2);
  CHECK(row(data.train, 0) == std::vector<std::int32_t>{1, 2});
  CHECK(row(data.train, 2).empty());
  CHECK(row(data.test, 0) == std::vector<std::int32_t>{3});
  CHECK(read(kTrain, kTest, "").n_entities == 4);  // items beyond the knowledge graph
}

TEST_CASE("reading is tolerant of form") {
  const Dataset plain = read("0 1 2\n1 0\n2\n");
  for (const char* text : {"\xEF\xBB\xBF"
                           "0 1 2\n1 0\n2\n",
                           "0 1 2\r\n1 0\r\n2\r\n", "\n0 1 2\n\n \t\n1 0\n2\n\n",
                           "0\t1  2 \n1 0\n2", "2\n1 0\n0 2 1 2 1\n", "0 1\n0 2\n1 0\n2\n"}) {
    INFO(text);
    CHECK(content_hash(read(text)) == content_hash(plain));
  }
  CHECK(content_hash(read(kTrain, kTest, "1 1 5\n\n0 0 4\r\n0 0 4")) == content_hash(plain));
}

TEST_CASE("wrong data names file and line") {
  CHECK(has(complaint("0 1\n1 x\n"), "train.txt:2: this is not a number"));
  CHECK(has(complaint("0 1\n1 x\n"), "'x'"));
  CHECK(has(complaint("0 1\n\n1 -3\n"), "train.txt:3: an id is negative"));
  CHECK(has(complaint("0 1\n1 99999999999999999999\n"), "train.txt:2: an id is too large"));
  CHECK(has(complaint("0 1.5\n"), "train.txt:1: this is not a number"));
  CHECK(has(complaint("0 1-2\n"), "'1-2'"));
  CHECK(has(complaint("0,1,2\n"), "train.txt:1"));
  CHECK(has(complaint(std::string("0 1\n\0\x01\xff", 7)), "'\\x00\\x01\\xff'"));
  CHECK(has(complaint(""), "train.txt: no user has an item"));
  CHECK(has(complaint("0\n1\n"), "train.txt: no user has an item"));
  CHECK(has(complaint(kTrain, "0 1\n7 2\n"), "test.txt:2: test user 7"));
  CHECK(has(complaint(kTrain, kTest, "0 0 1\n3 1\n"), "kg_final.txt:2: a triple needs three"));
  CHECK(has(complaint(kTrain, kTest, "0 0 1 9\n"), "kg_final.txt:1: a triple needs three"));
  CHECK(has(complaint(kTrain, kTest, "0 900000 1\n"), "kg_final.txt:1: a relation id"));
}

TEST_CASE("an id far above the amount of data does not allocate") {
  CHECK(has(complaint("2000000000 0 0\n"), "train.txt:1: a user id is far above"));
  CHECK(has(complaint("0 0\n0 2000000000\n"), "train.txt:2: a item id is far above"));
  CHECK(has(complaint(kTrain, kTest, "0 0 2000000000\n"), "kg_final.txt:1: a entity id"));
}

TEST_CASE("a test user without items needs no training line, one whose line is empty is known") {
  CHECK(read(kTrain, "0 3\n9\n").n_users == 10);
  CHECK(read(kTrain, "2 1\n").test.size() == 1);
}

TEST_CASE("missing files and folders are reported, not waited for") {
  const TemporaryFolder folder;
  CHECK(has(error_of([&] { read_dataset(folder.path()); }), "train.txt: cannot read this file"));
  std::filesystem::create_directory(folder.path() / "train.txt");
  CHECK(has(error_of([&] { read_dataset(folder.path()); }), "it is a folder"));
  CHECK(has(error_of([&] { read_interactions("/dev/null"); }), "not a regular file"));
}

TEST_CASE("the validation split keeps at least one item of a user") {
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  for (std::int32_t user = 0; user < 400; ++user) {
    for (std::int32_t item = 0; item <= user % 10; ++item) pairs.emplace_back(user, 3 * item);
  }
  const Interactions all = make_interactions(pairs, 401);
  const auto [kept, held] = split_validation(all, 0.1, 5);
  for (std::int32_t user = 0; user < 401; ++user) {
    CHECK((all.of(user).empty() || !kept.of(user).empty()));
    CHECK(kept.of(user).size() + held.of(user).size() == all.of(user).size());
  }
  const Interactions again = merge(kept, held);
  CHECK(again.items == all.items);
  CHECK(again.offsets == all.offsets);
  CHECK(static_cast<double>(held.size()) / static_cast<double>(all.size()) ==
        Approx(0.1).margin(0.02));
  CHECK(split_validation(all, 0.1, 5).second.items == held.items);
  CHECK(split_validation(all, 0.1, 6).second.items != held.items);
  CHECK(split_validation(all, 1.0, 5).first.size() == 400);
}

TEST_CASE("the content hash sees every part of the data") {
  const auto base = content_hash(read(kTrain));
  CHECK(content_hash(read("0 1 3\n1 0\n2\n")) != base);
  CHECK(content_hash(read(kTrain, "0 3\n1 3\n")) != base);
  CHECK(content_hash(read(kTrain, kTest, "0 0 4\n1 0 5\n")) != base);
}

}  // namespace
