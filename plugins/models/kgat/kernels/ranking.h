// The best items of a user: blocked scores, masked, and kept above a threshold.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace kgat {

/// Purpose: items laid out for the product with blocks of users. Owner: owns the copy.
/// Threads: immutable, any.
class ItemPanels {
 public:
  static constexpr std::int32_t kWidth = 64;  // items in a panel

  /// items [n_items, d].
  ItemPanels(const float* items, std::int32_t n_items, std::int32_t d);

  std::int32_t n_items() const { return n_items_; }
  std::int32_t d() const { return d_; }
  const float* panel(std::int32_t index) const {
    return data_.data() + std::ptrdiff_t{index} * d_ * kWidth;
  }
  std::int32_t n_panels() const { return (n_items_ + kWidth - 1) / kWidth; }

 private:
  std::int32_t n_items_, d_;
  std::vector<float> data_;  // [n_panels, d, kWidth], zeros beyond the last item
};

struct RankedUser {
  const float* vector;                   // [d]
  std::span<const std::int32_t> masked;  // items that are not ranked, ascending
};

/// The `top` best items of each user, best first, by score and then by the lower item: fewer where
/// fewer are left. An item whose score is not a number, or minus infinity, is not ranked.
/// Parallel over blocks of users; the result does not depend on the number of threads.
/// `visit(user index, items, their scores)` is called once a user, from several threads at a time.
using RankVisit =
    std::function<void(std::size_t, std::span<const std::int32_t>, std::span<const float>)>;
void rank_items(const ItemPanels& items, std::span<const RankedUser> users, std::int32_t top,
                const RankVisit& visit);

}  // namespace kgat
