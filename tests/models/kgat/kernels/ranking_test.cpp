#include "kernels/ranking.h"

#include <algorithm>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

std::vector<std::vector<std::int32_t>> rank(const std::vector<float>& items, std::int32_t d,
                                            const std::vector<float>& users,
                                            const std::vector<std::vector<std::int32_t>>& masks,
                                            std::int32_t top) {
  const ItemPanels panels(items.data(), static_cast<std::int32_t>(items.size()) / d, d);
  std::vector<RankedUser> ranked;
  for (std::size_t u = 0; u < masks.size(); ++u) {
    ranked.push_back({users.data() + u * static_cast<std::size_t>(d), masks[u]});
  }
  std::vector<std::vector<std::int32_t>> out(masks.size());
  rank_items(panels, ranked, top,
             [&](std::size_t u, std::span<const std::int32_t> best, std::span<const float>) {
               out[u].assign(best.begin(), best.end());
             });
  return out;
}

/// Sorts all items by score (an exact small integer here), then by id.
std::vector<std::int32_t> naive(const std::vector<float>& items, std::int32_t d, const float* user,
                                const std::vector<std::int32_t>& mask, std::int32_t top) {
  std::vector<std::pair<float, std::int32_t>> all;
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(items.size()) / d; ++i) {
    if (std::binary_search(mask.begin(), mask.end(), i)) continue;
    float score = 0;
    for (std::int32_t c = 0; c < d; ++c) score += user[c] * items[i * d + c];
    all.emplace_back(-score, i);
  }
  std::sort(all.begin(), all.end());
  std::vector<std::int32_t> out;
  for (const auto& [score, item] : all) {
    if (static_cast<std::int32_t>(out.size()) < top) out.push_back(item);
  }
  return out;
}

TEST_CASE("the best items are those of a full sort, ties by the lower item") {
  for (const auto& [n_items, d] : {std::pair{1, 3}, {63, 1}, {64, 5}, {65, 16}, {1000, 20}}) {
    for (const float levels : {2.0F, 50.0F}) {  // two levels: nearly all scores are equal
      auto items = noise(static_cast<std::size_t>(n_items) * d, levels, 1);
      for (float& value : items) value = std::round(value);
      std::vector<std::vector<std::int32_t>> masks(100);
      auto users = noise(masks.size() * static_cast<std::size_t>(d), 3, 2);
      for (float& value : users) value = std::round(value);
      for (std::size_t u = 0; u < masks.size(); ++u) {
        for (std::int32_t i = static_cast<std::int32_t>(u) % 4; i < n_items; i += 3) {
          masks[u].push_back(i);
        }
      }
      masks[5].clear();
      masks[6].resize(static_cast<std::size_t>(n_items));
      for (std::int32_t i = 0; i < n_items; ++i) masks[6][i] = i;  // nothing is left
      for (const std::int32_t top : {1, 20, 100}) {
        const auto found = rank(items, d, users, masks, top);
        for (std::size_t u = 0; u < masks.size(); ++u) {
          REQUIRE(found[u] ==
                  naive(items, d, users.data() + u * static_cast<std::size_t>(d), masks[u], top));
        }
      }
    }
  }
}

TEST_CASE("scores that are no numbers are not ranked") {
  const std::vector<float> items{1.0F, NAN, 3.0F, 2.0F, -INFINITY};
  CHECK(rank(items, 1, {1.0F}, {{}}, 5)[0] == std::vector<std::int32_t>{2, 3, 0});
}

}  // namespace
