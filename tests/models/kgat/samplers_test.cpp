#include "samplers.h"

#include <algorithm>
#include <set>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

TEST_CASE("a permutation visits every place once") {
  for (const std::uint32_t size : {1U, 2U, 3U, 16U, 17U, 1000U, 4097U}) {
    const Permutation permutation(size, {1, 2});
    std::set<std::uint32_t> seen;
    for (std::uint32_t place = 0; place < size; ++place) seen.insert(permutation(place));
    CHECK(seen.size() == size);
    CHECK(*seen.rbegin() == size - 1);
  }
}

TEST_CASE("CF rows are the same for any slicing") {
  const Dataset data = random_dataset(500, 60, 90, false, 1);
  const CfSampler sampler(data.train, data.n_items, 3);
  CfBatch whole, part;
  for (const std::int64_t batch : {100, 2000}) {  // without and with replacement
    sampler.sample(7, batch, 0, 100, whole);
    for (std::int64_t begin = 0; begin < 100; begin += 30) {
      const std::int64_t end = std::min<std::int64_t>(begin + 30, 100);
      sampler.sample(7, batch, begin, end, part);
      for (std::int64_t i = begin; i < end; ++i) {
        const auto at = static_cast<std::size_t>(i);
        CHECK(part.users[at - begin] == whole.users[at]);
        CHECK(part.positives[at - begin] == whole.positives[at]);
        CHECK(part.negatives[at - begin] == whole.negatives[at]);
      }
    }
  }
  CfBatch other;
  sampler.sample(8, 100, 0, 100, other);
  CHECK(other.users != whole.users);
  sampler.sample(8, 100, 50, 50, other);
  CHECK(other.users.empty());
}

TEST_CASE("CF users do not repeat in a batch, positives are theirs, negatives are not") {
  const Dataset data = random_dataset(500, 60, 90, false, 2);
  const CfSampler sampler(data.train, data.n_items, 3);
  CfBatch batch;
  const auto n = static_cast<std::int64_t>(sampler.n_users());
  sampler.sample(0, n, 0, n, batch);
  CHECK(std::set<std::int32_t>(batch.users.begin(), batch.users.end()).size() == sampler.n_users());
  for (std::size_t i = 0; i < batch.users.size(); ++i) {
    CHECK(data.train.contains(batch.users[i], batch.positives[i]));
    CHECK_FALSE(data.train.contains(batch.users[i], batch.negatives[i]));
  }
}

TEST_CASE("a user who has nearly all items gets one of the others, one with all is left out") {
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  for (std::int32_t item = 0; item < 300; ++item) {
    if (item != 123) pairs.emplace_back(0, item);
    pairs.emplace_back(1, item);
  }
  const Interactions train = make_interactions(pairs, 3);
  const CfSampler sampler(train, 300, 1);
  CHECK(sampler.n_users() == 1);
  CfBatch batch;
  sampler.sample(0, 8, 0, 8, batch);
  CHECK(batch.negatives == std::vector<std::int32_t>(8, 123));
  const Interactions all =
      make_interactions(std::vector<std::pair<std::int32_t, std::int32_t>>{{0, 0}}, 1);
  CHECK(error_of([&] { CfSampler(all, 1, 1); }).find("no user has both") != std::string::npos);
}

TEST_CASE("negatives are uniform over the items a user does not have") {
  const Interactions train =
      make_interactions(std::vector<std::pair<std::int32_t, std::int32_t>>{{0, 2}, {0, 5}}, 1);
  const CfSampler sampler(train, 10, 1);
  CfBatch batch;
  sampler.sample(0, 16000, 0, 16000, batch);
  std::vector<int> counts(10, 0);
  for (const std::int32_t item : batch.negatives) ++counts[item];
  for (const std::int32_t item : {0, 1, 3, 4, 6, 7, 8, 9}) {
    CHECK(std::abs(counts[item] - 2000) < 220);
  }
  CHECK(counts[2] + counts[5] == 0);
}

TEST_CASE("KG rows are edges with a tail that is none") {
  const Graph graph = Graph::build(random_dataset(200, 40, 90, true, 3));
  const KgSampler sampler(graph, 5);
  KgBatch whole, part;
  sampler.sample(3, 0, 500, whole);
  sampler.sample(3, 123, 130, part);
  for (std::size_t i = 0; i < 500; ++i) {
    const auto tails = graph.tails_of(whole.heads[i], whole.relations[i]);
    CHECK(std::binary_search(tails.begin(), tails.end(), whole.positives[i]));
    CHECK_FALSE(std::binary_search(tails.begin(), tails.end(), whole.negatives[i]));
    CHECK((whole.negatives[i] >= 0 && whole.negatives[i] < graph.n_nodes));
  }
  CHECK(std::equal(part.heads.begin(), part.heads.end(), whole.heads.begin() + 123));
  CHECK(std::equal(part.negatives.begin(), part.negatives.end(), whole.negatives.begin() + 123));
}

TEST_CASE("steps per epoch are counted as the paper's code does") {
  const Dataset data = random_dataset(500, 60, 90, false, 1);
  const Graph graph = Graph::build(data);
  CHECK(CfSampler(data.train, data.n_items, 1).steps_per_epoch(100) == data.train.size() / 100 + 1);
  CHECK(KgSampler(graph, 1).steps_per_epoch(128) == graph.n_edges() / 128 + 1);
}

TEST_CASE("pairs of an epoch are every interaction once") {
  const Dataset data = random_dataset(100, 60, 90, false, 5);
  const PairSampler sampler(data.train, data.n_items, 1);
  std::vector<BprSample> samples;
  sampler.sample(0, 0, sampler.size(), samples);
  std::set<std::pair<std::int32_t, std::int32_t>> seen;
  for (const BprSample& sample : samples) {
    seen.emplace(sample.user, sample.positive);
    CHECK(data.train.contains(sample.user, sample.positive));
    CHECK_FALSE(data.train.contains(sample.user, sample.negative));
  }
  CHECK(static_cast<std::int64_t>(seen.size()) == data.train.size());
}

}  // namespace
