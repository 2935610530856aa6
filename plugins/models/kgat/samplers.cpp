#include "samplers.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "trainhost/error.h"

namespace kgat {
namespace {

constexpr int kAttempts = 64;  // then the complement is searched: it may be a few of many

/// A uniform member of [0, size) that is not in the sorted `taken`, which is smaller than the
/// range.
std::int32_t outside(std::span<const std::int32_t> taken, std::int32_t size,
                     trainhost::Random::Cursor& draws) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto drawn = static_cast<std::int32_t>(draws.bounded(static_cast<std::uint32_t>(size)));
    if (!std::binary_search(taken.begin(), taken.end(), drawn)) return drawn;
  }
  // The k-th free number: k plus the count of taken numbers at or below it.
  const auto free = static_cast<std::uint32_t>(size) - static_cast<std::uint32_t>(taken.size());
  auto drawn = static_cast<std::int32_t>(draws.bounded(free));
  for (const std::int32_t value : taken) {
    if (value > drawn) break;
    ++drawn;
  }
  return drawn;
}

}  // namespace

Permutation::Permutation(std::uint32_t size, trainhost::Philox::Key key)
    : size_(size),
      low_bits_((static_cast<int>(std::bit_width(std::max(size, 4U) - 1U)) + 1) / 2),
      high_bits_(static_cast<int>(std::bit_width(std::max(size, 4U) - 1U)) - low_bits_),
      key_(key) {}

std::uint32_t Permutation::operator()(std::uint32_t position) const {
  constexpr std::uint64_t kRounds =
      6;  // even, so that the halves end with the widths they began with
  const std::uint64_t seed = std::uint64_t{key_[0]} << 32 | key_[1];
  std::uint32_t value = position;
  do {
    std::uint32_t left = value >> low_bits_, right = value & ((1U << low_bits_) - 1U);
    int left_bits = high_bits_, right_bits = low_bits_;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      // The finaliser of SplitMix64 on the half, under the key and the round.
      std::uint64_t mixed = seed + 0x9E3779B97F4A7C15ULL * (right + 1U + (round << 32));
      mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
      mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
      const std::uint32_t next =
          left ^ (static_cast<std::uint32_t>(mixed >> 32) & ((1U << left_bits) - 1U));
      left = right;
      right = next;
      std::swap(left_bits, right_bits);
    }
    value = left << low_bits_ | right;
  } while (value >= size_);
  return value;
}

CfSampler::CfSampler(const Interactions& train, std::int32_t n_items, std::uint64_t seed)
    : train_(&train), n_items_(n_items), random_(seed, "kgat.cf") {
  for (std::int32_t user = 0; user < train.n_users(); ++user) {
    const std::size_t count = train.of(user).size();
    if (count > 0 && count < static_cast<std::size_t>(n_items)) users_.push_back(user);
  }
  if (users_.empty()) {
    throw trainhost::Error(trainhost::Failure::kUser,
                           {.where = "train.txt",
                            .what = "no user has both an item and an item left to tell apart",
                            .fix = "train on more items"});
  }
}

void CfSampler::sample(std::uint32_t step, std::int64_t batch, std::int64_t begin, std::int64_t end,
                       CfBatch& out) const {
  const auto n_users = static_cast<std::uint32_t>(users_.size());
  const auto words = random_.block(step, 1, 0);
  const Permutation permutation(n_users, {words[0], words[1]});
  const bool replacement = batch > static_cast<std::int64_t>(n_users);
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(end - begin, 0));
  out.users.resize(size);
  out.positives.resize(size);
  out.negatives.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    const auto position = static_cast<std::uint64_t>(begin) + i;
    auto draws = random_.at(step, 0, position);
    const std::uint32_t place =
        replacement ? draws.bounded(n_users) : permutation(static_cast<std::uint32_t>(position));
    const std::int32_t user = users_[place];
    const auto items = train_->of(user);
    out.users[i] = user;
    out.positives[i] = items[draws.bounded(static_cast<std::uint32_t>(items.size()))];
    out.negatives[i] = outside(items, n_items_, draws);
  }
}

PairSampler::PairSampler(const Interactions& train, std::int32_t n_items, std::uint64_t seed)
    : train_(&train), n_items_(n_items), random_(seed, "kgat.bprmf.pairs") {
  user_of_.reserve(train.items.size());
  for (std::int32_t user = 0; user < train.n_users(); ++user) {
    user_of_.insert(user_of_.end(), train.of(user).size(), user);
  }
}

void PairSampler::sample(std::uint32_t epoch, std::int64_t begin, std::int64_t end,
                         std::vector<BprSample>& out) const {
  const auto words = random_.block(epoch, 1, 0);
  const Permutation order(static_cast<std::uint32_t>(size()), {words[0], words[1]});
  out.resize(static_cast<std::size_t>(end - begin));
#pragma omp parallel for schedule(static)
  for (std::int64_t place = begin; place < end; ++place) {
    const std::uint32_t at = order(static_cast<std::uint32_t>(place));
    const std::int32_t user = user_of_[at];
    const auto items = train_->of(user);
    auto& sample = out[static_cast<std::size_t>(place - begin)];
    sample = {-1, 0, 0};
    if (items.size() >= static_cast<std::size_t>(n_items_)) continue;
    auto draws = random_.at(epoch, 0, static_cast<std::uint64_t>(place));
    sample = {user, train_->items[at], outside(items, n_items_, draws)};
  }
  std::erase_if(out, [](const BprSample& sample) { return sample.user < 0; });
}

KgSampler::KgSampler(const Graph& graph, std::uint64_t seed)
    : graph_(&graph), random_(seed, "kgat.kg") {}

void KgSampler::sample(std::uint32_t step, std::int64_t begin, std::int64_t end,
                       KgBatch& out) const {
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(end - begin, 0));
  for (auto* column : {&out.heads, &out.relations, &out.positives, &out.negatives}) {
    column->resize(size);
  }
  const auto n_heads = static_cast<std::uint32_t>(graph_->heads.size());
  for (std::size_t i = 0; i < size; ++i) {
    auto draws = random_.at(step, 0, static_cast<std::uint64_t>(begin) + i);
    const std::int32_t head = graph_->heads[draws.bounded(n_heads)];
    const std::int32_t edge =
        graph_->offsets[static_cast<std::size_t>(head)] +
        static_cast<std::int32_t>(draws.bounded(static_cast<std::uint32_t>(graph_->degree(head))));
    const std::int32_t relation = graph_->relation_of(head, edge);
    out.heads[i] = head;
    out.relations[i] = relation;
    out.positives[i] = graph_->tails[static_cast<std::size_t>(edge)];
    // A free tail always exists: users are tails of relation 1 alone, and items never are.
    out.negatives[i] = outside(graph_->tails_of(head, relation), graph_->n_nodes, draws);
  }
}

}  // namespace kgat
