#include "bprmf.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "evaluation.h"
#include "support.h"
#include "synthetic.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

double recall(const BprEmbeddings& found, const Dataset& data) {
  return evaluate({found.users.data(), found.items.data(), found.n_items, found.dim}, data.test,
                  data.train, users_with_items(data.test), {20})
      .average("recall@20");
}

double popularity(const Dataset& data) {
  return evaluate_popularity(data.train, data.n_items, data.test, data.train,
                             users_with_items(data.test), {20})
      .average("recall@20");
}

TEST_CASE("BPR-MF learns the communities of synthetic data, the same way each time") {
  const Dataset data = make_synthetic({.n_users = 400,
                                       .n_items = 200,
                                       .n_entities = 300,
                                       .n_triples = 900,
                                       .n_interactions = 8000,
                                       .n_communities = 8});
  const BprOptions options{.dim = 24, .epochs = 30, .seed = 3};
  std::vector<std::int32_t> progress;
  const BprEmbeddings found =
      train_bprmf(data.train, data.n_items, options, [&](std::int32_t done, std::int32_t total) {
        CHECK(total == 30);
        progress.push_back(done);
      });
  CHECK(progress.size() == 30);
  CHECK(found.users.size() == 400 * 24);
  CHECK(recall(found, data) > 1.3 * popularity(data));
  const BprEmbeddings again = train_bprmf(data.train, data.n_items, options);
  CHECK(found.users == again.users);
  CHECK(found.items == again.items);
}

TEST_CASE("a cache returns what was stored, and nothing that was damaged or belongs elsewhere") {
  const TemporaryFolder folder;
  const BprOptions options{.dim = 3};
  const BprCache cache(folder.path() / "new", 7, options);
  const BprEmbeddings stored{2, 3, 3, noise(6, 1, 1), noise(9, 1, 2)};
  BprEmbeddings loaded;
  CHECK_FALSE(cache.load(loaded));
  cache.store(stored);
  REQUIRE(cache.load(loaded));
  CHECK(loaded.users == stored.users);
  CHECK(loaded.items == stored.items);
  CHECK(loaded.n_items == 3);

  CHECK(BprCache(folder.path(), 8, options).file().filename() != cache.file().filename());
  BprOptions other = options;
  other.epochs += 1;
  CHECK(BprCache(folder.path(), 7, other).file().filename() != cache.file().filename());

  std::ifstream file(cache.file(), std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(file)), {});
  const auto damaged = [&](const std::string& bytes) {
    std::ofstream(cache.file(), std::ios::binary) << bytes;
    return !cache.load(loaded);
  };
  CHECK(damaged(""));
  CHECK(damaged(good.substr(0, 20)));
  CHECK(damaged(good.substr(0, good.size() - 1)));
  CHECK(damaged(good + "x"));
  std::string flipped = good;
  flipped[40] = static_cast<char>(flipped[40] ^ 1);
  CHECK(damaged(flipped));
  std::string huge = good;
  huge.replace(16, 4, "\xff\xff\xff\x7f", 4);  // n_users
  CHECK(damaged(huge));
  CHECK_FALSE(damaged(good));
}

TEST_CASE("a cache that cannot be written says so") {
  const TemporaryFolder folder;
  const BprCache cache(folder.write("file", "in the way") / "below", 1, {});
  CHECK_THROWS_AS(cache.store({1, 1, 1, {0}, {0}}), trainhost::Error);
}

TEST_CASE("BPR-MF beats popularity on real data", "[data]") {
  const char* folder = std::getenv("TRAINHOST_DATA");
  if (folder == nullptr) {
    WARN("skipped: TRAINHOST_DATA is not set (the folder that holds dbbook2014)");
    return;
  }
  const Dataset data = read_dataset(std::filesystem::path(folder) / "dbbook2014");
  CHECK(popularity(data) == Approx(0.1218).margin(0.001));
  CHECK(recall(train_bprmf(data.train, data.n_items, {}), data) > popularity(data));
}

}  // namespace
