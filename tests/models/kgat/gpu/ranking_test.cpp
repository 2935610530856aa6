// Ranking by emulation: ties, masks, scores that are not ranked, any number of items.
#include <algorithm>
#include <cmath>
#include <limits>

#include "emulated.h"
#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

struct Found {
  std::vector<std::int32_t> items;
  std::vector<float> scores;
};

Found rank_one(std::vector<float> scores, const std::vector<std::int32_t>& masked,
               std::int32_t top) {
  const std::vector<std::int32_t> offsets{0, static_cast<std::int32_t>(masked.size())};
  std::vector<std::int32_t> items(static_cast<std::size_t>(top), -7), counts{-7};
  std::vector<float> kept(static_cast<std::size_t>(top));
  const char* failure = emulated_table().rank_users(
      {1, static_cast<std::int32_t>(scores.size()), top, scores.data(), offsets.data(),
       masked.data(), items.data(), kept.data(), counts.data()},
      0);
  REQUIRE(failure == nullptr);
  REQUIRE(counts[0] >= 0);
  REQUIRE(counts[0] <= top);
  items.resize(static_cast<std::size_t>(counts[0]));
  kept.resize(items.size());
  return {items, kept};
}

std::vector<std::int32_t> naive(std::vector<float> scores, const std::vector<std::int32_t>& masked,
                                std::int32_t top) {
  for (const std::int32_t item : masked) {
    scores[static_cast<std::size_t>(item)] = -std::numeric_limits<float>::infinity();
  }
  std::vector<std::int32_t> items;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > -std::numeric_limits<float>::infinity()) {
      items.push_back(static_cast<std::int32_t>(i));
    }
  }
  std::stable_sort(items.begin(), items.end(),
                   [&](std::int32_t a, std::int32_t b) { return scores[a] > scores[b]; });
  items.resize(std::min(items.size(), static_cast<std::size_t>(top)));
  return items;
}

TEST_CASE("gpu: ranking is that of a stable sort") {
  const int n = GENERATE(1, 2, 20, 255, 256, 257, 1000, 3000);
  const int top = GENERATE(1, 2, 20, 100, 1000);
  auto scores = noise(static_cast<std::size_t>(n), 1, 11);
  std::vector<std::int32_t> masked;
  for (std::int32_t item = 0; item < n; item += 3) masked.push_back(item);
  CHECK(rank_one(scores, {}, top).items == naive(scores, {}, top));
  CHECK(rank_one(scores, masked, top).items == naive(scores, masked, top));
  for (float& score : scores) score = std::round(score * 3);  // many equal, and -0
  CHECK(rank_one(scores, {}, top).items == naive(scores, {}, top));
  CHECK(rank_one(scores, masked, top).items == naive(scores, masked, top));
  CHECK(rank_one(std::vector<float>(static_cast<std::size_t>(n), 0.5F), masked, top).items ==
        naive(std::vector<float>(static_cast<std::size_t>(n), 0.5F), masked, top));
}

TEST_CASE("gpu: what is not a number is not ranked, what is infinite is first") {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> scores{nan,      1.0F, -infinity, infinity, -nan,
                                  -3.0e38F, 0.0F, -0.0F,     1e-45F};
  const Found found = rank_one(scores, {}, 20);
  CHECK(found.items == std::vector<std::int32_t>{3, 1, 8, 6, 7, 5});
  CHECK(found.scores[0] == infinity);
  CHECK(rank_one(scores, {0, 1, 2, 3, 4, 5, 6, 7, 8}, 20).items.empty());
}

TEST_CASE("gpu: users of a block have rows and masks of their own") {
  constexpr std::int32_t kUsers = 5, kItems = 300, kTop = 30;
  auto scores = noise(std::size_t{kUsers} * kItems, 1, 12);
  const auto copy = scores;
  std::vector<std::int32_t> offsets{0}, masked, items(kUsers * kTop), counts(kUsers);
  for (std::int32_t user = 0; user < kUsers; ++user) {
    for (std::int32_t i = 0; i < 10 * user; ++i) masked.push_back((i * 7 + user) % kItems);
    offsets.push_back(static_cast<std::int32_t>(masked.size()));
  }
  std::vector<float> kept(items.size());
  REQUIRE(emulated_table().rank_users({kUsers, kItems, kTop, scores.data(), offsets.data(),
                                       masked.data(), items.data(), kept.data(), counts.data()},
                                      0) == nullptr);
  for (std::int32_t user = 0; user < kUsers; ++user) {
    const std::vector<float> own(copy.begin() + user * kItems, copy.begin() + (user + 1) * kItems);
    const std::vector<std::int32_t> mine(masked.begin() + offsets[user],
                                         masked.begin() + offsets[user + 1]);
    CHECK(std::vector<std::int32_t>(items.begin() + user * kTop,
                                    items.begin() + user * kTop + counts[user]) ==
          naive(own, mine, kTop));
  }
}

}  // namespace
