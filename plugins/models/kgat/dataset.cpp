#include "dataset.h"

#include <algorithm>
#include <utility>

#include "trainhost/error.h"

namespace kgat {
namespace {

using trainhost::Error;
using trainhost::Failure;

void check_not_empty(const Interactions& train, const std::filesystem::path& path) {
  if (train.size() > 0) return;
  throw Error(Failure::kUser, {.where = path.string(),
                               .what = "no user has an item to train on",
                               .expected = "lines of the form 'user item item …'",
                               .got = "no interaction",
                               .fix = "check that this is the right file"});
}

void check_known(const InteractionFile& train, const InteractionFile& test,
                 const std::filesystem::path& path) {
  for (std::int32_t user = 0; user < test.rows.n_users(); ++user) {
    const auto at = static_cast<std::size_t>(user);
    if (test.rows.of(user).empty()) continue;
    if (at < train.line.size() && train.line[at] > 0) continue;
    throw Error(Failure::kUser,
                {.where = path.string() + ":" + std::to_string(test.line[at]),
                 .what = "test user " + std::to_string(user) + " does not occur in train.txt",
                 .expected = "users that train.txt lists (a line without items is enough)",
                 .got = std::to_string(user),
                 .fix = "remove the user from test.txt, or add it to train.txt"});
  }
}

void widen(Interactions& rows, std::int32_t n_users) {
  rows.offsets.resize(static_cast<std::size_t>(n_users) + 1, rows.offsets.back());
}

/// FNV-1a over 64-bit words, with a final mix: fast, and enough to tell caches apart.
class Hash {
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    add(values.size());
    for (const T value : values) add(static_cast<std::uint64_t>(value));
  }
  void add(std::uint64_t word) {
    state_ = (state_ ^ word) * 0x9E3779B97F4A7C15ULL;
    state_ ^= state_ >> 29;
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 14695981039346656037ULL;
};

}  // namespace

Dataset make_dataset(Interactions train, Interactions test, Triples triples, std::int32_t n_items,
                     const SplitOptions& split) {
  Dataset out;
  out.n_users = std::max(train.n_users(), test.n_users());
  out.n_items = n_items;
  out.n_entities = std::max(n_items, triples.n_entities);
  widen(train, out.n_users);
  widen(test, out.n_users);
  out.test = std::move(test);
  out.triples = std::move(triples);
  if (split.validation > 0) {
    std::tie(out.train, out.validation) = split_validation(train, split.validation, split.seed);
  } else {
    out.train = std::move(train);
    widen(out.validation, out.n_users);
  }
  return out;
}

Dataset read_dataset(const std::filesystem::path& folder, const SplitOptions& split) {
  InteractionFile train = read_interactions(folder / "train.txt");
  check_not_empty(train.rows, folder / "train.txt");
  InteractionFile test = read_interactions(folder / "test.txt");
  check_known(train, test, folder / "test.txt");
  const std::int32_t n_items = std::max(train.n_items, test.n_items);
  return make_dataset(std::move(train.rows), std::move(test.rows),
                      read_triples(folder / "kg_final.txt"), n_items, split);
}

std::uint64_t content_hash(const Dataset& data) {
  Hash hash;
  for (const std::int32_t count : {data.n_users, data.n_items, data.n_entities}) {
    hash.add(static_cast<std::uint64_t>(count));
  }
  for (const Interactions* rows : {&data.train, &data.validation, &data.test}) {
    hash.add(rows->offsets);
    hash.add(rows->items);
  }
  for (const Triple& triple : data.triples.rows) {
    hash.add(static_cast<std::uint64_t>(triple.head) << 32 |
             static_cast<std::uint32_t>(triple.tail));
    hash.add(static_cast<std::uint64_t>(triple.relation));
  }
  return hash.value();
}

}  // namespace kgat
