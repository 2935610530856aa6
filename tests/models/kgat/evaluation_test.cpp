#include "evaluation.h"

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

Interactions rows(std::vector<std::pair<std::int32_t, std::int32_t>> pairs, std::int32_t n_users) {
  return make_interactions(pairs, n_users);
}

TEST_CASE("metrics of a ranking that is known by heart") {
  // One user ranks the items 5, 4, 3, 2, 1, 0; item 5 is known, so 4, 3, 2, 1, 0 are ranked.
  const std::vector<float> user{1.0F}, items{0, 1, 2, 3, 4, 5};
  const Interactions test = rows({{0, 0}, {0, 3}}, 1), known = rows({{0, 5}}, 1);
  const MetricSums sums =
      evaluate({user.data(), items.data(), 6, 1}, test, known, users_with_items(test), {2, 20});
  CHECK(sums.users == 1);
  const double second = 1 / std::log2(3.0), fifth = 1 / std::log2(6.0);
  CHECK(sums.average("recall@2") == Approx(0.5));
  CHECK(sums.average("precision@2") == Approx(0.5));
  CHECK(sums.average("hit@2") == Approx(1.0));
  CHECK(sums.average("ndcg@2") == Approx(second / (1 + second)));
  CHECK(sums.average("ndcg_paper@2") == Approx(second / (1 + second)));
  CHECK(sums.average("recall@20") == Approx(1.0));
  CHECK(sums.average("precision@20") == Approx(0.1));
  CHECK(sums.average("ndcg@20") == Approx((second + fifth) / (1 + second)));
  CHECK_THROWS_AS(sums.average("recall@3"), trainhost::Error);
}

TEST_CASE("the paper's NDCG divides by the hits that were found in the top 100") {
  std::vector<float> items(300);
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = -static_cast<float>(i);
  const std::vector<float> user{1.0F};
  const Interactions test = rows({{0, 0}, {0, 200}}, 1);  // the second is beyond the top 100
  const MetricSums sums = evaluate({user.data(), items.data(), 300, 1}, test, rows({}, 1),
                                   users_with_items(test), {20});
  CHECK(sums.average("ndcg_paper@20") == Approx(1.0));
  CHECK(sums.average("ndcg@20") == Approx(1 / (1 + 1 / std::log2(3.0))));
}

TEST_CASE("slices of users add up") {
  const Dataset data = random_dataset(130, 40, 60, false, 1);
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  for (std::int32_t user = 0; user < 130; user += 2) pairs.emplace_back(user, user % 40);
  const Interactions test = rows(pairs, 130);
  const auto users = noise(130 * 8, 1, 2), items = noise(40 * 8, 1, 3);
  const Ranking ranking{users.data(), items.data(), 40, 8};
  const auto all = users_with_items(test);
  CHECK(all.size() == 65);
  const std::span<const std::int32_t> span(all);
  const MetricSums whole = evaluate(ranking, test, data.train, span, {5, 20});
  MetricSums sum = evaluate(ranking, test, data.train, span.first(20), {5, 20});
  sum += MetricSums::from_flat(
      {5, 20}, evaluate(ranking, test, data.train, span.subspan(20), {5, 20}).flat());
  sum += evaluate(ranking, test, data.train, {}, {5, 20});
  CHECK(distance(sum.flat(), whole.flat()) < 1e-12);
  CHECK(evaluate(ranking, test, data.train, {}, {5}).average("recall@5") == 0);
}

TEST_CASE("popularity ranks by the training interactions, ties by the lower item") {
  const Interactions train = rows({{0, 2}, {1, 2}, {1, 0}, {2, 1}}, 4), test = rows({{3, 0}}, 4);
  const auto users = users_with_items(test);
  const auto at = [&](std::int32_t k) {
    return evaluate_popularity(train, 4, test, train, users, {k}).sums[0].recall;
  };
  CHECK(at(1) == 0);
  CHECK(at(2) == 1);
}

}  // namespace
