#include "kernels/ranking.h"

#include <algorithm>
#include <limits>

#include "kernels/simd.h"

namespace kgat {
namespace {

using namespace simd;

constexpr std::int32_t kBlockUsers = 48;
constexpr float kMasked = -std::numeric_limits<float>::infinity();

struct Candidate {
  float score;
  std::int32_t item;
};

bool better(const Candidate& left, const Candidate& right) {
  return left.score > right.score || (left.score == right.score && left.item < right.item);
}

/// The best of one user so far. Items come in ascending order, so one that only equals the
/// threshold loses against those that are held.
struct Best {
  std::vector<Candidate> held;
  float threshold = kMasked;
  std::size_t next_masked = 0;

  void reset() {
    held.clear();
    threshold = kMasked;
    next_masked = 0;
  }
  void add(Candidate candidate, std::size_t top) {
    held.push_back(candidate);
    if (held.size() < 2 * top) return;
    std::nth_element(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(top) - 1, held.end(),
                     better);
    held.resize(top);
    threshold = held.back().score;
  }
};

struct Memory {
  std::vector<float> users;   // [kBlockUsers, d]
  std::vector<float> scores;  // [kBlockUsers, kWidth]
  std::vector<Best> best{kBlockUsers};
  std::vector<std::int32_t> items;
  std::vector<float> held_scores;
};

void mask(const RankedUser& user, std::int32_t first_item, std::int32_t count, float* scores,
          Best& best) {
  while (best.next_masked < user.masked.size()) {
    const std::int32_t item = user.masked[best.next_masked];
    if (item >= first_item + count) return;
    scores[item - first_item] = kMasked;
    ++best.next_masked;
  }
}

struct ScoreBlock {
  template <class Isa>
  KGAT_INLINE void run(const ItemPanels* items, const RankedUser* users, std::int32_t count,
                       std::size_t top, Memory* memory) {
    const std::ptrdiff_t d = items->d();
    constexpr std::int32_t kWidth = ItemPanels::kWidth;
    float* scores = memory->scores.data();
    for (std::int32_t panel = 0; panel < items->n_panels(); ++panel) {
      std::fill(scores, scores + std::ptrdiff_t{count} * kWidth, 0.0F);
      gemm<Isa>(count, kWidth, d, {memory->users.data(), d, 1}, items->panel(panel), kWidth, scores,
                kWidth);
      const std::int32_t first = panel * kWidth;
      const std::int32_t here = std::min(kWidth, items->n_items() - first);
      for (std::int32_t u = 0; u < count; ++u) {
        float* row = scores + std::ptrdiff_t{u} * kWidth;
        Best& best = memory->best[static_cast<std::size_t>(u)];
        mask(users[u], first, here, row, best);
        int above = 0;
        for (std::int32_t c = 0; c < kWidth; ++c) above |= row[c] > best.threshold ? 1 : 0;
        if (above == 0) continue;
        for (std::int32_t c = 0; c < here; ++c) {
          if (row[c] > best.threshold) best.add({row[c], first + c}, top);
        }
      }
    }
  }
};

}  // namespace

ItemPanels::ItemPanels(const float* items, std::int32_t n_items, std::int32_t d)
    : n_items_(n_items), d_(d), data_(static_cast<std::size_t>(n_panels()) * d * kWidth, 0.0F) {
#pragma omp parallel for schedule(static)
  for (std::int32_t item = 0; item < n_items; ++item) {
    float* to = data_.data() + std::ptrdiff_t{item / kWidth} * d * kWidth + item % kWidth;
    for (std::int32_t c = 0; c < d; ++c) {
      to[std::ptrdiff_t{c} * kWidth] = items[std::ptrdiff_t{item} * d + c];
    }
  }
}

void rank_items(const ItemPanels& items, std::span<const RankedUser> users, std::int32_t top,
                const RankVisit& visit) {
  const auto n_users = static_cast<std::int64_t>(users.size());
  const auto keep = static_cast<std::size_t>(std::max(top, 1));
#pragma omp parallel
  {
    Memory memory;
    memory.users.resize(static_cast<std::size_t>(kBlockUsers) * items.d());
    memory.scores.resize(kBlockUsers * ItemPanels::kWidth);
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t begin = 0; begin < n_users; begin += kBlockUsers) {
      const auto count =
          static_cast<std::int32_t>(std::min<std::int64_t>(kBlockUsers, n_users - begin));
      const RankedUser* block = users.data() + begin;
      for (std::int32_t u = 0; u < count; ++u) {
        std::copy_n(block[u].vector, items.d(),
                    memory.users.data() + std::ptrdiff_t{u} * items.d());
        memory.best[static_cast<std::size_t>(u)].reset();
      }
      dispatch<ScoreBlock>(&items, block, count, keep, &memory);
      for (std::int32_t u = 0; u < count; ++u) {
        auto& held = memory.best[static_cast<std::size_t>(u)].held;
        std::sort(held.begin(), held.end(), better);
        held.resize(std::min(held.size(), keep));
        memory.items.clear();
        memory.held_scores.clear();
        for (const Candidate& candidate : held) {
          memory.items.push_back(candidate.item);
          memory.held_scores.push_back(candidate.score);
        }
        visit(static_cast<std::size_t>(begin + u), memory.items, memory.held_scores);
      }
    }
  }
}

}  // namespace kgat
