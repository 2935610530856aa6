#include "synthetic.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "trainhost/error.h"

namespace kgat {
namespace {

using trainhost::Random;
using Cursor = Random::Cursor;

void check(const SyntheticOptions& options) {
  const auto require = [](bool holds, const char* expected) {
    if (holds) return;
    throw trainhost::Error(trainhost::Failure::kUser,
                           {.where = "synthetic data",
                            .what = "these counts make no data set",
                            .expected = expected,
                            .fix = "change the counts of the synthetic data"});
  };
  require(options.n_users > 0 && options.n_items > 1, "at least one user and two items");
  require(options.n_entities >= options.n_items, "n_entities of at least n_items");
  require(options.n_communities > 0, "at least one community");
  require(options.n_relations > 0 || options.n_triples == 0, "relations for the triples");
  require(options.n_triples >= 0 && options.n_interactions >= options.n_users,
          "at least one interaction a user");
  require(options.loyalty >= 0 && options.loyalty <= 1, "loyalty from 0 to 1");
  require(options.test_fraction >= 0 && options.test_fraction < 1,
          "test_fraction from 0 to below 1");
}

/// Members of a community are those congruent to it: node n lives in n mod n_communities.
class Communities {
 public:
  Communities(std::int32_t first, std::int32_t count, std::int32_t n_communities)
      : first_(first), count_(count), n_(n_communities) {}

  /// A member of community c; low places are far more likely when `skew` exceeds 1.
  std::int32_t draw(std::int32_t c, double skew, Cursor& draws) const {
    const std::int32_t size = (count_ - 1 - c % count_) / n_ + 1;
    return first_ + c % count_ + n_ * place(size, skew, draws);
  }
  std::int32_t draw_any(double skew, Cursor& draws) const {
    return first_ + place(count_, skew, draws);
  }

 private:
  static std::int32_t place(std::int32_t size, double skew, Cursor& draws) {
    const double drawn = std::pow(draws.uniform_double(), skew);
    return std::min(static_cast<std::int32_t>(drawn * size), size - 1);
  }

  std::int32_t first_, count_, n_;
};

/// The distinct items of a user, in the order they were chosen.
std::vector<std::int32_t> choices(const SyntheticOptions& options, std::int32_t user,
                                  const Random& random) {
  constexpr double kSkew = 1.6;
  const Communities items(0, options.n_items, options.n_communities);
  auto draws = random.at(0, 0, static_cast<std::uint64_t>(user));
  // Activity spreads threefold around the mean.
  const double mean = static_cast<double>(options.n_interactions) / options.n_users;
  const double wanted = mean * (0.5 + draws.uniform_double());
  const auto count = std::clamp(static_cast<std::int32_t>(std::lround(wanted)), 1,
                                std::max(options.n_items / 2, 1));
  const std::int32_t home = user % options.n_communities;
  std::vector<std::int32_t> out;
  std::set<std::int32_t> seen;
  for (std::int32_t attempt = 0; attempt < 8 * count; ++attempt) {
    const bool loyal = draws.uniform_double() < options.loyalty;
    const std::int32_t item = loyal ? items.draw(home, kSkew, draws) : items.draw_any(kSkew, draws);
    if (seen.insert(item).second) out.push_back(item);
    if (static_cast<std::int32_t>(out.size()) == count) break;
  }
  return out;
}

Triples triples_of(const SyntheticOptions& options, const Random& random) {
  constexpr double kFaithful = 0.9, kSkew = 1.3;
  const std::int32_t n_attributes = options.n_entities - options.n_items;
  const Communities items(0, options.n_items, options.n_communities);
  const Communities attributes(options.n_items, std::max(n_attributes, 1), options.n_communities);
  std::set<Triple> rows;
  const auto wanted = static_cast<std::size_t>(options.n_triples);
  for (std::int64_t at = 0; at < 4 * options.n_triples && rows.size() < wanted; ++at) {
    auto draws = random.at(0, 1, static_cast<std::uint64_t>(at));
    const std::int32_t head = items.draw_any(1.0, draws);
    const auto relation =
        static_cast<std::int32_t>(draws.bounded(static_cast<std::uint32_t>(options.n_relations)));
    const std::int32_t community = head % options.n_communities;
    const Communities& targets = n_attributes > 0 ? attributes : items;
    const bool faithful = draws.uniform_double() < kFaithful;
    const std::int32_t tail =
        faithful ? targets.draw(community, kSkew, draws) : targets.draw_any(kSkew, draws);
    rows.insert({head, relation, tail});
  }
  return make_triples({rows.begin(), rows.end()});
}

}  // namespace

Dataset make_synthetic(const SyntheticOptions& options) {
  check(options);
  const Random random(options.seed, "kgat.synthetic");
  std::vector<std::pair<std::int32_t, std::int32_t>> train, test;
  for (std::int32_t user = 0; user < options.n_users; ++user) {
    const std::vector<std::int32_t> items = choices(options, user, random);
    const auto n_test =
        std::min(items.size() - 1, static_cast<std::size_t>(std::lround(
                                       options.test_fraction * static_cast<double>(items.size()))));
    // Every k-th choice goes to the test, so that early (popular) and late ones do.
    for (std::size_t at = 0; at < items.size(); ++at) {
      const bool held = (at + 1) * n_test / items.size() > at * n_test / items.size();
      (held ? test : train).emplace_back(user, items[at]);
    }
  }
  Dataset out = make_dataset(make_interactions(train, options.n_users),
                             make_interactions(test, options.n_users), triples_of(options, random),
                             options.n_items, options.split);
  out.n_entities = options.n_entities;
  out.triples.n_relations = std::max(out.triples.n_relations, options.n_relations);
  return out;
}

SyntheticOptions amazon_book_shape(std::int32_t scale, std::uint64_t seed) {
  SyntheticOptions out;
  out.n_users = 70'679 / scale;
  out.n_items = 24'915 / scale;
  out.n_entities = 113'487 / scale;
  out.n_relations = 39;
  out.n_triples = 2'557'746 / scale;
  out.n_interactions = 847'733 / scale;
  out.n_communities = std::clamp(out.n_items / 40, 4, 200);
  out.seed = seed;
  return out;
}

}  // namespace kgat
