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

std::int64_t Order::epochs() const {
  if (mix_ != Mix::kInTurn) return 1;
  std::int64_t out = 0;
  for (const OrderedSet& one : sets_) out += one.epochs;
  return out;
}

std::int64_t Order::steps(std::int64_t epoch, std::int64_t effective) const {
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
  if (made->steps.empty()) {
    refuse("an epoch has no step of " + std::to_string(effective) + " rows",
           "take a smaller batch, or drop_last = false");
  }
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

std::size_t Order::set_in_turn(std::int64_t epoch) const {
  std::size_t set = 0;
  for (std::int64_t left = epoch; set + 1 < sets_.size() && left >= sets_[set].epochs; ++set) {
    left -= sets_[set].epochs;
  }
  return set;
}

std::vector<std::vector<Order::Step>> Order::passes(std::int64_t epoch,
                                                    std::int64_t effective) const {
  std::vector<std::vector<Step>> out;
  for (std::size_t set = 0; set < sets_.size(); ++set) {
    out.push_back(pass_of(set, epoch, 0, effective));
  }
  return out;
}

/// Gives each set its share of the steps: its first pass cut short, or further passes.
void Order::weigh(std::int64_t epoch, std::int64_t effective,
                  std::vector<std::vector<Step>>& by_set) const {
  const bool weighted =
      std::any_of(sets_.begin(), sets_.end(), [](const OrderedSet& one) { return one.weight > 0; });
  if (!weighted) return;
  const auto weight_of = [](const OrderedSet& one) {
    return one.weight > 0 ? one.weight : static_cast<double>(one.set.rows());
  };
  double all = 0;
  std::size_t total = 0;
  for (std::size_t set = 0; set < sets_.size(); ++set) {
    all += weight_of(sets_[set]);
    total += by_set[set].size();
  }
  for (std::size_t set = 0; set < sets_.size(); ++set) {
    if (by_set[set].empty()) continue;
    const double share = weight_of(sets_[set]) / all * static_cast<double>(total);
    const auto wanted = std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(share)));
    for (std::int64_t pass = 1; by_set[set].size() < wanted; ++pass) {
      std::vector<Step> more = pass_of(set, epoch, pass, effective);
      by_set[set].insert(by_set[set].end(), more.begin(), more.end());
    }
    by_set[set].resize(wanted);
  }
}

std::vector<Order::Step> Order::plan(std::int64_t epoch, std::int64_t effective) const {
  if (mix_ == Mix::kInTurn) return pass_of(set_in_turn(epoch), epoch, 0, effective);
  std::vector<std::vector<Step>> by_set = passes(epoch, effective);
  std::vector<Step> out;
  if (mix_ == Mix::kRoundRobin) {
    std::size_t rounds = by_set.front().size();
    for (const auto& steps : by_set) rounds = std::min(rounds, steps.size());
    for (std::size_t round = 0; round < rounds; ++round) {
      for (const auto& steps : by_set) out.push_back(steps[round]);
    }
    return out;
  }
  weigh(epoch, effective, by_set);
  // Each set's steps keep their order; whose turn it is, is drawn by what is left.
  std::vector<std::uint32_t> turns;
  for (std::size_t set = 0; set < by_set.size(); ++set) {
    turns.insert(turns.end(), by_set[set].size(), static_cast<std::uint32_t>(set));
  }
  constexpr std::uint16_t kTurns = 0xFFFF;  // no set has this number
  auto draws = random_.at(static_cast<std::uint32_t>(epoch), kTurns, 0);
  if (by_set.size() > 1) {
    for (std::size_t left = turns.size(); left > 1; --left) {
      std::swap(turns[left - 1], turns[draws.bounded(static_cast<std::uint32_t>(left))]);
    }
  }
  std::vector<std::size_t> next(by_set.size(), 0);
  for (const std::uint32_t set : turns) out.push_back(by_set[set][next[set]++]);
  return out;
}

}  // namespace sbert
