#include "synthetic.h"

#include <set>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

TEST_CASE("synthetic data meets its counts") {
  const SyntheticOptions options;
  const Dataset data = make_synthetic(options);
  CHECK(data.n_users == options.n_users);
  CHECK(data.n_items == options.n_items);
  CHECK(data.n_entities == options.n_entities);
  CHECK(data.triples.n_relations == options.n_relations);
  CHECK(static_cast<double>(data.triples.rows.size()) ==
        Approx(static_cast<double>(options.n_triples)).epsilon(0.02));
  CHECK(static_cast<double>(data.train.size() + data.test.size()) ==
        Approx(static_cast<double>(options.n_interactions)).epsilon(0.05));
  CHECK(static_cast<double>(data.test.size()) / static_cast<double>(data.train.size()) ==
        Approx(0.25).margin(0.03));
  for (std::int32_t user = 0; user < data.n_users; ++user) {
    REQUIRE_FALSE(data.train.of(user).empty());
    for (const std::int32_t item : data.test.of(user)) {
      REQUIRE_FALSE(data.train.contains(user, item));
    }
  }
}

TEST_CASE("synthetic data depends on its seed alone") {
  SyntheticOptions options{
      .n_users = 100, .n_items = 50, .n_entities = 80, .n_triples = 100, .n_interactions = 900};
  const auto hash = content_hash(make_synthetic(options));
  CHECK(content_hash(make_synthetic(options)) == hash);
  options.seed = 1;
  CHECK(content_hash(make_synthetic(options)) != hash);
}

TEST_CASE("users and attributes keep to their communities") {
  const SyntheticOptions options;
  const Dataset data = make_synthetic(options);
  std::int64_t loyal = 0, faithful = 0;
  for (std::int32_t user = 0; user < data.n_users; ++user) {
    for (const std::int32_t item : data.train.of(user)) {
      loyal += item % options.n_communities == user % options.n_communities ? 1 : 0;
    }
  }
  for (const Triple& triple : data.triples.rows) {
    const std::int32_t attribute = triple.tail - options.n_items;
    faithful += attribute % options.n_communities == triple.head % options.n_communities ? 1 : 0;
  }
  CHECK(static_cast<double>(loyal) > 0.6 * static_cast<double>(data.train.size()));
  CHECK(static_cast<double>(faithful) > 0.8 * static_cast<double>(data.triples.rows.size()));
}

TEST_CASE("small and odd counts still make a data set, impossible ones are refused") {
  CHECK(make_synthetic({.n_users = 1,
                        .n_items = 2,
                        .n_entities = 2,
                        .n_relations = 0,
                        .n_triples = 0,
                        .n_interactions = 1})
            .train.size() == 1);
  CHECK(make_synthetic(amazon_book_shape(500, 1)).n_users == 141);
  const auto refused = [](SyntheticOptions options) {
    return error_of([&] { make_synthetic(options); }) != "no error";
  };
  CHECK(refused({.n_users = 0}));
  CHECK(refused({.n_items = 1}));
  CHECK(refused({.n_items = 1000, .n_entities = 10}));
  CHECK(refused({.n_relations = 0}));
  CHECK(refused({.n_interactions = 3}));
  CHECK(refused({.test_fraction = 1.0}));
}

}  // namespace
