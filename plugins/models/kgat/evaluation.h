// Evaluation: every item is ranked for every test user, known items masked (all-ranking).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "interactions.h"
#include "kernels/ranking.h"

namespace kgat {

/// Purpose: sums over users, so that the slices of several ranks can be added. Owner: a value.
struct MetricSums {
  /// recall = hits / |test_u|; precision = hits / K; hit = any; ndcg divides by the ideal DCG of
  /// min(K, |test_u|) hits; ndcg_paper, as the paper's code, by the ideal DCG of the hits found
  /// within its own top 100.
  struct At {
    double recall = 0, precision = 0, hit = 0, ndcg = 0, ndcg_paper = 0;
  };
  std::vector<std::int32_t> ks;
  std::vector<At> sums;    // [ks.size()]
  std::int64_t users = 0;  // users with test items

  MetricSums& operator+=(const MetricSums& other);
  /// Flat, in a fixed order, for a reduction over ranks: users, then five sums for each K.
  std::vector<double> flat() const;
  static MetricSums from_flat(std::vector<std::int32_t> ks, std::span<const double> flat);
  /// {"recall@20", 0.12} …, averaged over the users.
  std::vector<std::pair<std::string, double>> averages() const;
  /// One average by name ("recall@20"); 0 without users. Throws trainhost::Error for another name.
  double average(const std::string& name) const;
};

/// The users that have something to find, ascending.
std::vector<std::int32_t> users_with_items(const Interactions& test);

struct Ranking {
  const float* users = nullptr;  // [n_users, d]; row stride d
  const float* items = nullptr;  // [n_items, d]
  std::int32_t n_items = 0, d = 0;
};

/// Sums over `users` (user ids, a slice of users_with_items). `known` is masked.
MetricSums evaluate(const Ranking& ranking, const Interactions& test, const Interactions& known,
                    std::span<const std::int32_t> users, const std::vector<std::int32_t>& ks);

/// Ranks items for users: visit(index in users, items, scores) as rank_items() does, the items of
/// `known` left out.
using Ranker = std::function<void(std::span<const std::int32_t> users, const Interactions& known,
                                  std::int32_t top, const RankVisit& visit)>;
/// evaluate() by any ranker.
MetricSums evaluate_ranked(const Ranker& ranker, const Interactions& test,
                           const Interactions& known, std::span<const std::int32_t> users,
                           const std::vector<std::int32_t>& ks);

/// The baseline: every user gets the items by their number of training interactions.
MetricSums evaluate_popularity(const Interactions& train, std::int32_t n_items,
                               const Interactions& test, const Interactions& known,
                               std::span<const std::int32_t> users,
                               const std::vector<std::int32_t>& ks);

}  // namespace kgat
