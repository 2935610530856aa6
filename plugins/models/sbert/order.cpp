#include "sbert/order.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "trainhost/error.h"

namespace sbert {
namespace {

using trainhost::Error;
using trainhost::Failure;

/// The loader works on one epoch and looks ahead into the next.
constexpr std::size_t kEpochsKept = 3;

[[noreturn]] void refuse(std::string what, std::string fix) {
  throw Error(Failure::kUser,
              {.where = "training sets", .what = std::move(what), .fix = std::move(fix)});
}

[[noreturn]] void no_step(std::int64_t effective) {
  refuse("an epoch has no step of " + std::to_string(effective) + " rows",
         "take a smaller batch, or drop_last = false");
}

}  // namespace

Order::Order(std::vector<OrderedSet> sets, Mix mix, bool drop_last, std::uint64_t seed)
    : sets_(std::move(sets)), mix_(mix), drop_last_(drop_last), random_(seed, "sbert.order") {
  if (sets_.empty()) refuse("there is no set to train on", "give data.sets");
  for (const OrderedSet& one : sets_) {
    numbers_.emplace_back();
    if (one.arrangement != Arrangement::kNoDuplicates) continue;
    if (one.set.rows() * one.set.columns() > std::numeric_limits<std::int32_t>::max()) {
      refuse("a set has too many texts for order = \"no_duplicates\"", "give it a limit");
    }
    numbers_.back() = text_numbers(one.set);
  }
}

std::int64_t Order::steps(std::int64_t epoch, std::int64_t effective) const {
  const std::vector<std::size_t> sets = sets_of(epoch);
  std::vector<std::int64_t> counts;
  for (const std::size_t set : sets) {
    if (const auto count = steps_of_pass(set, effective)) counts.push_back(*count);
  }
  if (counts.size() == sets.size()) {
    const std::vector<std::int64_t> taken = shares(sets, counts);
    const std::int64_t total = std::accumulate(taken.begin(), taken.end(), std::int64_t{0});
    if (total == 0) no_step(effective);
    return total;
  }
  {
    const std::lock_guard lock(mutex_);
    const auto known = steps_.find({epoch, effective});
    if (known != steps_.end()) return known->second;
  }
  return static_cast<std::int64_t>(epoch_of(epoch, effective)->steps.size());
}

std::int64_t Order::rows(std::int64_t epoch, std::int64_t step, std::int64_t effective) const {
  const auto of = epoch_of(epoch, effective);
  const Step& one = of->steps.at(static_cast<std::size_t>(step));
  return static_cast<std::int64_t>(one.pass->batch(one.batch).size());
}

Chosen Order::choose(std::int64_t epoch, std::int64_t step, std::int64_t effective,
                     std::int64_t begin, std::int64_t end) const {
  const auto of = epoch_of(epoch, effective);
  const Step& one = of->steps.at(static_cast<std::size_t>(step));
  const auto rows = one.pass->batch(one.batch);
  const auto at = [&](std::int64_t row) {
    const auto size = static_cast<std::int64_t>(rows.size());
    return rows.begin() + std::clamp<std::int64_t>(row, 0, size);
  };
  return {one.set, {at(begin), at(end)}};
}

std::shared_ptr<const Order::Epoch> Order::epoch_of(std::int64_t epoch,
                                                    std::int64_t effective) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& kept) {
    return kept->epoch == epoch && kept->effective == effective;
  });
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    return kept_.front();
  }
  auto made = std::make_shared<const Epoch>(Epoch{epoch, effective, plan(epoch, effective)});
  if (made->steps.empty()) no_step(effective);
  steps_[{epoch, effective}] = static_cast<std::int64_t>(made->steps.size());
  kept_.push_front(made);
  if (kept_.size() > kEpochsKept) kept_.pop_back();
  return made;
}

std::vector<Order::Step> Order::pass_of(std::size_t set, std::int64_t epoch, std::int64_t pass,
                                        std::int64_t effective) const {
  const OrderedSet& one = sets_[set];
  const PassKey key = {static_cast<std::uint32_t>(epoch), static_cast<std::uint16_t>(set),
                       static_cast<std::uint64_t>(pass)};
  const auto made = std::make_shared<const Pass>(
      arrange(one.set, one.arrangement, effective, drop_last_, random_, key, numbers_[set]));
  std::vector<Step> out;
  for (std::int64_t batch = 0; batch < made->batches(); ++batch) {
    out.push_back({static_cast<std::int32_t>(set), made, batch});
  }
  return out;
}

std::vector<std::size_t> Order::sets_of(std::int64_t epoch) const {
  if (mix_ != Mix::kInTurn) {
    std::vector<std::size_t> all(sets_.size());
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  std::size_t set = 0;
  for (std::int64_t left = epoch; set + 1 < sets_.size() && left >= sets_[set].epochs; ++set) {
    left -= sets_[set].epochs;
  }
  return {set};
}

std::optional<std::int64_t> Order::steps_of_pass(std::size_t set, std::int64_t effective) const {
  const OrderedSet& one = sets_[set];
  if (one.arrangement == Arrangement::kNoDuplicates) return std::nullopt;
  return (one.set.rows() + (drop_last_ ? 0 : effective - 1)) / effective;
}

std::vector<std::int64_t> Order::shares(const std::vector<std::size_t>& sets,
                                        const std::vector<std::int64_t>& of_a_pass) const {
  if (mix_ == Mix::kRoundRobin) {
    return std::vector(sets.size(), *std::min_element(of_a_pass.begin(), of_a_pass.end()));
  }
  const bool weighted =
      std::any_of(sets_.begin(), sets_.end(), [](const OrderedSet& one) { return one.weight > 0; });
  if (mix_ == Mix::kInTurn || !weighted) return of_a_pass;
  const auto weight_of = [this](std::size_t set) {
    const OrderedSet& one = sets_[set];
    return one.weight > 0 ? one.weight : static_cast<double>(one.set.rows());
  };
  double all = 0, total = 0;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    all += weight_of(sets[i]);
    total += static_cast<double>(of_a_pass[i]);
  }
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const std::int64_t share = std::llround(weight_of(sets[i]) / all * total);
    out.push_back(of_a_pass[i] == 0 ? 0 : std::max<std::int64_t>(1, share));
  }
  return out;
}

std::vector<Order::Step> Order::plan(std::int64_t epoch, std::int64_t effective) const {
  const std::vector<std::size_t> sets = sets_of(epoch);
  std::vector<std::vector<Step>> by_set;
  std::vector<std::int64_t> counts;
  for (const std::size_t set : sets) {
    by_set.push_back(pass_of(set, epoch, 0, effective));
    counts.push_back(static_cast<std::int64_t>(by_set.back().size()));
  }
  // A set gives less than a pass, or as many passes as its share takes.
  const std::vector<std::int64_t> taken = shares(sets, counts);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto wanted = static_cast<std::size_t>(taken[i]);
    for (std::int64_t pass = 1; by_set[i].size() < wanted; ++pass) {
      const std::vector<Step> more = pass_of(sets[i], epoch, pass, effective);
      by_set[i].insert(by_set[i].end(), more.begin(), more.end());
    }
    by_set[i].resize(wanted);
  }
  return in_turns(epoch, by_set);
}

/// Each set's steps keep their order; whose turn it is, goes round, or is drawn by what is left.
std::vector<Order::Step> Order::in_turns(std::int64_t epoch,
                                         const std::vector<std::vector<Step>>& by_set) const {
  constexpr std::uint16_t kTurns = 0xFFFF;  // no set has this number
  std::vector<std::size_t> turns;
  for (std::size_t set = 0; set < by_set.size(); ++set) {
    turns.insert(turns.end(), by_set[set].size(), set);
  }
  auto draws = random_.at(static_cast<std::uint32_t>(epoch), kTurns, 0);
  for (std::size_t i = turns.size(); i > 1 && by_set.size() > 1; --i) {
    std::swap(turns[i - 1], turns[draws.bounded(static_cast<std::uint32_t>(i))]);
  }
  if (mix_ == Mix::kRoundRobin) {
    for (std::size_t i = 0; i < turns.size(); ++i) turns[i] = i % by_set.size();
  }
  std::vector<std::size_t> next(by_set.size(), 0);
  std::vector<Step> out;
  for (const std::size_t set : turns) out.push_back(by_set[set][next[set]++]);
  return out;
}

}  // namespace sbert
