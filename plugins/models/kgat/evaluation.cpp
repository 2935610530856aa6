#include "evaluation.h"

#include <algorithm>
#include <cmath>

#include "trainhost/error.h"

namespace kgat {
namespace {

constexpr std::int32_t kPaperTop = 100;

/// ideal[n] is the DCG of n hits at the first n ranks.
std::vector<double> ideal_gains(std::size_t size) {
  std::vector<double> out{0.0};
  for (std::size_t rank = 0; rank < size; ++rank) {
    out.push_back(out.back() + 1.0 / std::log2(static_cast<double>(rank) + 2.0));
  }
  return out;
}

/// The metrics of one user at every K, from the ranks of the hits (ascending, from 0).
void measure(std::span<const std::int32_t> hits, std::size_t n_test,
             const std::vector<std::int32_t>& ks, const std::vector<double>& ideal,
             MetricSums::At* out) {
  const auto within = [&](std::int32_t rank) {
    return static_cast<std::size_t>(std::lower_bound(hits.begin(), hits.end(), rank) -
                                    hits.begin());
  };
  const std::size_t found_by_paper = within(kPaperTop);
  for (std::size_t at = 0; at < ks.size(); ++at) {
    const auto k = static_cast<std::size_t>(ks[at]);
    const std::size_t found = within(ks[at]);
    double gain = 0;
    for (std::size_t h = 0; h < found; ++h) {
      gain +=
          ideal[static_cast<std::size_t>(hits[h]) + 1] - ideal[static_cast<std::size_t>(hits[h])];
    }
    const double own = ideal[std::min(k, found_by_paper)];
    out[at] = {static_cast<double>(found) / static_cast<double>(n_test),
               static_cast<double>(found) / static_cast<double>(k), found > 0 ? 1.0 : 0.0,
               gain / ideal[std::min(k, n_test)], own > 0 ? gain / own : 0.0};
  }
}

void add(MetricSums::At& to, const MetricSums::At& from) {
  to.recall += from.recall;
  to.precision += from.precision;
  to.hit += from.hit;
  to.ndcg += from.ndcg;
  to.ndcg_paper += from.ndcg_paper;
}

/// vector_of(user) is the user's vector.
template <class VectorOf>
Ranker ranker_of(const ItemPanels& panels, VectorOf vector_of) {
  return [&panels, vector_of](std::span<const std::int32_t> users, const Interactions& known,
                              std::int32_t top, const RankVisit& visit) {
    std::vector<RankedUser> ranked;
    for (const std::int32_t user : users) ranked.push_back({vector_of(user), known.of(user)});
    rank_items(panels, ranked, top, visit);
  };
}

}  // namespace

MetricSums& MetricSums::operator+=(const MetricSums& other) {
  users += other.users;
  for (std::size_t at = 0; at < sums.size(); ++at) add(sums[at], other.sums[at]);
  return *this;
}

std::vector<double> MetricSums::flat() const {
  std::vector<double> out{static_cast<double>(users)};
  for (const At& at : sums) {
    out.insert(out.end(), {at.recall, at.precision, at.hit, at.ndcg, at.ndcg_paper});
  }
  return out;
}

MetricSums MetricSums::from_flat(std::vector<std::int32_t> ks, std::span<const double> flat) {
  MetricSums out{std::move(ks), {}, static_cast<std::int64_t>(flat[0])};
  for (std::size_t at = 0; at < out.ks.size(); ++at) {
    const double* row = flat.data() + 1 + 5 * at;
    out.sums.push_back({row[0], row[1], row[2], row[3], row[4]});
  }
  return out;
}

std::vector<std::pair<std::string, double>> MetricSums::averages() const {
  static constexpr const char* kNames[] = {"recall", "precision", "hit", "ndcg", "ndcg_paper"};
  const std::vector<double> values = flat();
  const double divisor = users > 0 ? values[0] : 1.0;
  std::vector<std::pair<std::string, double>> out;
  for (std::size_t at = 0; at < ks.size(); ++at) {
    for (std::size_t name = 0; name < 5; ++name) {
      out.emplace_back(std::string(kNames[name]) + "@" + std::to_string(ks[at]),
                       values[1 + 5 * at + name] / divisor);
    }
  }
  return out;
}

double MetricSums::average(const std::string& name) const {
  std::string known;
  for (const auto& [candidate, value] : averages()) {
    if (candidate == name) return value;
    known += (known.empty() ? "" : ", ") + candidate;
  }
  throw trainhost::Error(
      trainhost::Failure::kUser,
      {.where = "kgat", .what = "unknown metric", .expected = known, .got = name});
}

std::vector<std::int32_t> users_with_items(const Interactions& test) {
  std::vector<std::int32_t> out;
  for (std::int32_t user = 0; user < test.n_users(); ++user) {
    if (!test.of(user).empty()) out.push_back(user);
  }
  return out;
}

MetricSums evaluate_ranked(const Ranker& ranker, const Interactions& test,
                           const Interactions& known, std::span<const std::int32_t> users,
                           const std::vector<std::int32_t>& ks) {
  std::int32_t top = kPaperTop;
  for (const std::int32_t k : ks) top = std::max(top, k);
  const std::vector<double> ideal = ideal_gains(static_cast<std::size_t>(top));
  std::vector<MetricSums::At> rows(users.size() * ks.size());

  const auto visit = [&](std::size_t u, std::span<const std::int32_t> items,
                         std::span<const float>) {
    const auto wanted = test.of(users[u]);
    std::vector<std::int32_t> hits;
    for (std::size_t rank = 0; rank < items.size(); ++rank) {
      if (std::binary_search(wanted.begin(), wanted.end(), items[rank])) {
        hits.push_back(static_cast<std::int32_t>(rank));
      }
    }
    if (!wanted.empty()) measure(hits, wanted.size(), ks, ideal, rows.data() + u * ks.size());
  };
  ranker(users, known, top, visit);

  MetricSums out{ks, std::vector<MetricSums::At>(ks.size()), 0};
  for (std::size_t u = 0; u < users.size(); ++u) {  // in order: the same bits for any thread count
    if (test.of(users[u]).empty()) continue;
    ++out.users;
    for (std::size_t at = 0; at < ks.size(); ++at) add(out.sums[at], rows[u * ks.size() + at]);
  }
  return out;
}

MetricSums evaluate(const Ranking& ranking, const Interactions& test, const Interactions& known,
                    std::span<const std::int32_t> users, const std::vector<std::int32_t>& ks) {
  const ItemPanels panels(ranking.items, ranking.n_items, ranking.d);
  const auto vector_of = [&ranking](std::int32_t user) {
    return ranking.users + std::ptrdiff_t{user} * ranking.d;
  };
  return evaluate_ranked(ranker_of(panels, vector_of), test, known, users, ks);
}

MetricSums evaluate_popularity(const Interactions& train, std::int32_t n_items,
                               const Interactions& test, const Interactions& known,
                               std::span<const std::int32_t> users,
                               const std::vector<std::int32_t>& ks) {
  std::vector<float> counts(static_cast<std::size_t>(n_items), 0.0F);
  for (const std::int32_t item : train.items) counts[static_cast<std::size_t>(item)] += 1.0F;
  const float one = 1.0F;
  const ItemPanels panels(counts.data(), n_items, 1);
  return evaluate_ranked(ranker_of(panels, [&one](std::int32_t) { return &one; }), test, known,
                         users, ks);
}

}  // namespace kgat
