#include "sbert/arrangement.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <utility>

#include "sbert/training_set.h"

namespace sbert {
namespace {

using Cursor = trainhost::Random::Cursor;

/// Uniform over [0, bound) for bounds above 2^32 too.
std::uint64_t below(Cursor& draws, std::uint64_t bound) {
  constexpr std::uint64_t kSmall = std::numeric_limits<std::uint32_t>::max();
  if (bound <= kSmall) return draws.bounded(static_cast<std::uint32_t>(bound));
  // 64 bits modulo a bound below 2^48: no bias that could be seen.
  return draws.words() % bound;
}

/// Fisher and Yates.
template <class T>
void shuffle(std::span<T> values, Cursor& draws) {
  for (std::size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[below(draws, left)]);
  }
}

std::vector<std::int64_t> shuffled_rows(std::int64_t rows, Cursor& draws) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(rows));
  std::iota(out.begin(), out.end(), 0);
  shuffle(std::span(out), draws);
  return out;
}

/// Rows one after the other, cut at every `batch`.
Pass cut(std::vector<std::int64_t> rows, std::int64_t batch, bool drop_last) {
  Pass out;
  const auto size = static_cast<std::int64_t>(rows.size());
  for (std::int64_t end = batch; end <= size; end += batch) out.begins.push_back(end);
  if (out.begins.back() < size && !drop_last) out.begins.push_back(size);
  rows.resize(static_cast<std::size_t>(out.begins.back()));
  out.rows = std::move(rows);
  return out;
}

/// Shuffled rows are sorted by length in stretches of many batches: so a batch's rows are of
/// similar length, and a row's company differs from epoch to epoch.
Pass by_length(const TrainingSet& set, std::int64_t batch, bool drop_last, Cursor& draws) {
  constexpr std::int64_t kBatchesAtOnce = 64;
  std::vector<std::int64_t> rows = shuffled_rows(set.rows(), draws);
  const auto stretch = static_cast<std::size_t>(batch * kBatchesAtOnce);
  for (std::size_t at = 0; at < rows.size(); at += stretch) {
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = begin + static_cast<std::ptrdiff_t>(std::min(stretch, rows.size() - at));
    std::stable_sort(begin, end,
                     [&](std::int64_t a, std::int64_t b) { return set.length(a) < set.length(b); });
  }
  const Pass sorted = cut(std::move(rows), batch, drop_last);

  // The small batch, if there is one, stays the last.
  const bool small = sorted.batches() > 0 &&
                     static_cast<std::int64_t>(sorted.batch(sorted.batches() - 1).size()) < batch;
  std::vector<std::int64_t> order(static_cast<std::size_t>(sorted.batches()));
  std::iota(order.begin(), order.end(), 0);
  shuffle(std::span(order).first(order.size() - (small ? 1 : 0)), draws);
  Pass out;
  for (const std::int64_t i : order) {
    const auto of = sorted.batch(i);
    const std::size_t begin = out.rows.size();
    out.rows.insert(out.rows.end(), of.begin(), of.end());
    // Ranks take parts of a batch: none gets all the short ones.
    shuffle(std::span(out.rows).subspan(begin), draws);
    out.begins.push_back(static_cast<std::int64_t>(out.rows.size()));
  }
  return out;
}

/// Batches that are being filled: the first from a given one on that has room (union-find).
class Room {
 public:
  explicit Room(std::int64_t batch) : batch_(batch) {}

  /// `wanted`: at most one beyond those that were ever taken.
  std::int32_t first_from(std::int32_t wanted) {
    reach(wanted);
    std::int32_t found = wanted;
    while (next_[at(found)] != found) found = next_[at(found)];
    for (std::int32_t i = wanted; i != found;) i = std::exchange(next_[at(i)], found);
    return found;
  }
  void take(std::int32_t batch) {
    if (++size_[at(batch)] < batch_) return;
    reach(batch + 1);
    next_[at(batch)] = batch + 1;
  }
  const std::vector<std::int64_t>& sizes() const { return size_; }

 private:
  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }
  void reach(std::int32_t batch) {
    if (at(batch) < next_.size()) return;
    next_.push_back(batch);
    size_.push_back(0);
  }

  const std::int64_t batch_;
  std::vector<std::int32_t> next_;  // itself: has room; else a later one to ask
  std::vector<std::int64_t> size_;
};

Pass without_duplicates(const TrainingSet& set, std::int64_t batch, bool drop_last, Cursor& draws,
                        std::span<const std::int32_t> numbers) {
  const std::vector<std::int64_t> rows = shuffled_rows(set.rows(), draws);
  const auto columns = static_cast<std::size_t>(set.columns());
  std::vector<std::int32_t> first_free(numbers.size(), 0);  // by text: no batch from here on has it
  std::vector<std::int32_t> batch_of(rows.size());
  Room room(batch);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto texts = numbers.subspan(static_cast<std::size_t>(rows[i]) * columns, columns);
    std::int32_t wanted = 0;
    for (const std::int32_t text : texts) {
      wanted = std::max(wanted, first_free[static_cast<std::size_t>(text)]);
    }
    const std::int32_t found = room.first_from(wanted);
    room.take(found);
    for (const std::int32_t text : texts) first_free[static_cast<std::size_t>(text)] = found + 1;
    batch_of[i] = found;
  }

  // Rows by batch, in the order in which they came (a counting sort).
  std::vector<std::int64_t> place;
  Pass out;
  for (const std::int64_t size : room.sizes()) {
    const bool dropped = size == 0 || (drop_last && size < batch);
    place.push_back(dropped ? -1 : out.begins.back());
    if (!dropped) out.begins.push_back(out.begins.back() + size);
  }
  out.rows.resize(static_cast<std::size_t>(out.begins.back()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::int64_t& at = place[static_cast<std::size_t>(batch_of[i])];
    if (at >= 0) out.rows[static_cast<std::size_t>(at++)] = rows[i];
  }
  return out;
}

std::uint64_t hash_of(std::span<const std::int32_t> ids) {
  std::uint64_t hash = 14695981039346656037ULL + ids.size();
  for (const std::int32_t id : ids) {
    hash = (hash ^ static_cast<std::uint32_t>(id)) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

std::vector<std::int32_t> text_numbers(const TrainingSet& set) {
  struct Slot {
    std::uint64_t hash = 0;
    std::int32_t number = -1;
  };
  const auto texts = static_cast<std::size_t>(set.rows() * set.columns());
  std::vector<Slot> slots(std::bit_ceil(2 * texts + 2));  // open addressing, half full
  const std::size_t mask = slots.size() - 1;
  std::vector<std::int32_t> out(texts);
  std::int32_t distinct = 0;
  for (std::size_t i = 0; i < texts; ++i) {
    const auto columns = static_cast<std::size_t>(set.columns());
    const std::uint64_t hash = hash_of(
        set.tokens(static_cast<std::int64_t>(i / columns), static_cast<std::int64_t>(i % columns)));
    std::size_t at = hash & mask;
    while (slots[at].number >= 0 && slots[at].hash != hash) at = (at + 1) & mask;
    if (slots[at].number < 0) slots[at] = {hash, distinct++};
    out[i] = slots[at].number;
  }
  return out;
}

Pass arrange(const TrainingSet& set, Arrangement arrangement, std::int64_t batch, bool drop_last,
             const trainhost::Random& random, PassKey key, std::span<const std::int32_t> numbers) {
  Cursor draws = random.at(key.epoch, key.set, key.pass);
  switch (arrangement) {
    case Arrangement::kLength:
      return by_length(set, batch, drop_last, draws);
    case Arrangement::kNoDuplicates:
      return without_duplicates(set, batch, drop_last, draws, numbers);
    default:
      return cut(shuffled_rows(set.rows(), draws), batch, drop_last);
  }
}

}  // namespace sbert
