#include "interactions.h"

#include <numeric>

#include "text_file.h"

namespace kgat {
namespace {

/// Sorts and deduplicates rows that lie one after the other; `offsets` are their bounds.
Interactions distinct(std::vector<std::int64_t> offsets, std::vector<std::int32_t> items) {
  std::int64_t written = 0;
  for (std::size_t user = 0; user + 1 < offsets.size(); ++user) {
    const auto begin = items.begin() + offsets[user], end = items.begin() + offsets[user + 1];
    if (!std::is_sorted(begin, end)) std::sort(begin, end);
    const auto last = std::unique(begin, end);
    offsets[user] = written;
    written = std::move(begin, last, items.begin() + written) - items.begin();
  }
  offsets.back() = written;
  items.resize(static_cast<std::size_t>(written));
  return {std::move(offsets), std::move(items)};
}

}  // namespace

Interactions make_interactions(std::span<const std::pair<std::int32_t, std::int32_t>> pairs,
                               std::int32_t n_users) {
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(n_users) + 1, 0);
  for (const auto& [user, item] : pairs) ++offsets[static_cast<std::size_t>(user) + 1];
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  std::vector<std::int64_t> next(offsets.begin(), offsets.end() - 1);
  std::vector<std::int32_t> items(pairs.size());
  for (const auto& [user, item] : pairs) {
    items[static_cast<std::size_t>(next[static_cast<std::size_t>(user)]++)] = item;
  }
  return distinct(std::move(offsets), std::move(items));
}

InteractionFile read_interactions(const std::filesystem::path& path) {
  TextFile file(path);
  IdRange users, items;
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  std::vector<std::pair<std::int32_t, int>> lines;
  while (file.next_line()) {
    const auto& numbers = file.numbers();
    users.add(numbers[0], file.line());
    lines.emplace_back(numbers[0], file.line());
    for (std::size_t i = 1; i < numbers.size(); ++i) {
      items.add(numbers[i], file.line());
      pairs.emplace_back(numbers[0], numbers[i]);
    }
  }
  users.check(file, "user", users.seen() + items.seen());
  items.check(file, "item", users.seen() + items.seen());

  InteractionFile out;
  out.rows = make_interactions(pairs, users.count());
  out.n_items = items.count();
  out.line.assign(static_cast<std::size_t>(users.count()), 0);
  for (const auto& [user, line] : lines) {
    auto& first = out.line[static_cast<std::size_t>(user)];
    if (first == 0) first = line;
  }
  return out;
}

std::pair<Interactions, Interactions> split_validation(const Interactions& all, double fraction,
                                                       std::uint64_t seed) {
  const trainhost::Random random(seed, "kgat.validation");
  Interactions kept, held;
  std::vector<std::int32_t> row;
  for (std::int32_t user = 0; user < all.n_users(); ++user) {
    const auto items = all.of(user);
    auto draws = random.at(0, 0, static_cast<std::uint64_t>(user));
    const double exact = fraction * static_cast<double>(items.size());
    auto count = static_cast<std::size_t>(exact);
    if (draws.uniform_double() < exact - static_cast<double>(count)) ++count;
    count = items.size() < 2 ? 0 : std::min(count, items.size() - 1);

    row.assign(items.begin(), items.end());
    for (std::size_t i = 0; i < count; ++i) {  // Fisher and Yates: the first `count` are held out
      std::swap(row[i], row[i + draws.bounded(static_cast<std::uint32_t>(row.size() - i))]);
    }
    const auto middle = row.begin() + static_cast<std::ptrdiff_t>(count);
    std::sort(row.begin(), middle);
    std::sort(middle, row.end());
    held.items.insert(held.items.end(), row.begin(), middle);
    kept.items.insert(kept.items.end(), middle, row.end());
    held.offsets.push_back(held.size());
    kept.offsets.push_back(kept.size());
  }
  return {std::move(kept), std::move(held)};
}

Interactions merge(const Interactions& left, const Interactions& right) {
  Interactions out;
  const std::int32_t n_users = std::max(left.n_users(), right.n_users());
  out.items.reserve(left.items.size() + right.items.size());
  for (std::int32_t user = 0; user < n_users; ++user) {
    const auto a = left.of(user), b = right.of(user);
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out.items));
    out.offsets.push_back(out.size());
  }
  return out;
}

}  // namespace kgat
