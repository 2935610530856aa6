// Interactions: which user chose which items, as sorted rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "trainhost/random.h"

namespace kgat {

/// Purpose: users × items in compressed rows; the items of a user are sorted and distinct.
/// Owner: owns its arrays. Threads: immutable after it was built, any thread.
struct Interactions {
  std::vector<std::int64_t> offsets{0};  // [n_users + 1]
  std::vector<std::int32_t> items;       // [size]

  std::int32_t n_users() const { return static_cast<std::int32_t>(offsets.size()) - 1; }
  std::int64_t size() const { return static_cast<std::int64_t>(items.size()); }
  std::span<const std::int32_t> of(std::int32_t user) const {
    if (user < 0 || user >= n_users()) return {};
    const auto at = static_cast<std::size_t>(user);
    return {items.data() + offsets[at], static_cast<std::size_t>(offsets[at + 1] - offsets[at])};
  }
  bool contains(std::int32_t user, std::int32_t item) const {
    const auto row = of(user);
    return std::binary_search(row.begin(), row.end(), item);
  }
};

/// What a file of interactions says, and where.
struct InteractionFile {
  Interactions rows;               // users 0 .. largest user id that occurs
  std::int32_t n_items = 0;        // largest item id + 1
  std::vector<std::int32_t> line;  // [rows.n_users()] first line that names the user, 0 for none
};

/// Reads `user item item …`, one user a line. Lines of one user are joined, duplicates dropped.
/// Throws trainhost::Error (kUser) with file and line.
InteractionFile read_interactions(const std::filesystem::path& path);

/// Sorted, distinct rows from (user, item) pairs in any order; ids must be in range.
Interactions make_interactions(std::span<const std::pair<std::int32_t, std::int32_t>> pairs,
                               std::int32_t n_users);

/// Splits `all` per user: of a user with at least two items a share of `fraction` (rounded at
/// random, so that the expected share is exact), and always fewer than all, is held out.
/// Returns {kept, held out}. The choice depends on the seed and the user's id alone.
std::pair<Interactions, Interactions> split_validation(const Interactions& all, double fraction,
                                                       std::uint64_t seed);

/// The union of two sets of rows.
Interactions merge(const Interactions& left, const Interactions& right);

}  // namespace kgat
