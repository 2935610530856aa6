// Random: counter-based random numbers, so that a result never depends on who computed it.
//
// Purpose: every random number of a run is a pure function of (seed, stream, step, layer, id,
// draw). The keys: `seed` is the run's; `stream` names the use ("dropout", "negatives":
// stream_id()); `step` is the optimizer step (or epoch); `layer` tells apart several uses within a
// step; `id` is a GLOBAL id (of a node, a sample, a row of the global batch), never a position
// within a rank; `draw` counts the blocks of one id (a column block, an attempt). Rank, thread,
// world and call order are never part of the key: so the data order and dropout are the same for
// any world, and replay under recomputation and after a resume. Owner: a value type. Threads and
// ranks: immutable, any thread.
//
// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC'11). Its layout is part of the contract, for kernels of other devices repeat it:
//   key     = the first two words of philox({stream low, stream high, 0, 0}, {seed low, seed high})
//   counter = {draw, id bits 0..31, step, id bits 32..47 | layer << 16}
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace trainhost {

/// A stream from its name: FNV-1a, 64 bits.
constexpr std::uint64_t stream_id(std::string_view name) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char character : name) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 1099511628211ULL;
  }
  return hash;
}

/// The bijection itself: four words under a key of two.
struct Philox {
  using Counter = std::array<std::uint32_t, 4>;
  using Key = std::array<std::uint32_t, 2>;
  static constexpr std::uint32_t kMultiply0 = 0xD2511F53U, kMultiply1 = 0xCD9E8D57U;
  static constexpr std::uint32_t kWeyl0 = 0x9E3779B9U, kWeyl1 = 0xBB67AE85U;
  static constexpr int kRounds = 10;

  static constexpr Counter apply(Counter counter, Key key) {
    for (int round = 0; round < kRounds; ++round) {
      const std::uint64_t left = std::uint64_t{kMultiply0} * counter[0];
      const std::uint64_t right = std::uint64_t{kMultiply1} * counter[2];
      counter = {static_cast<std::uint32_t>(right >> 32) ^ counter[1] ^ key[0],
                 static_cast<std::uint32_t>(right),
                 static_cast<std::uint32_t>(left >> 32) ^ counter[3] ^ key[1],
                 static_cast<std::uint32_t>(left)};
      key = {key[0] + kWeyl0, key[1] + kWeyl1};
    }
    return counter;
  }
};

class Random {
 public:
  using Block = Philox::Counter;

  constexpr Random(std::uint64_t seed, std::uint64_t stream) : key_(derive(seed, stream)) {}
  constexpr Random(std::uint64_t seed, std::string_view stream) : Random(seed, stream_id(stream)) {}

  /// Four independent words. `id` has 48 significant bits.
  constexpr Block block(std::uint32_t step, std::uint16_t layer, std::uint64_t id,
                        std::uint32_t draw = 0) const {
    return Philox::apply(counter(step, layer, id, draw), key_);
  }

  constexpr Philox::Key key() const { return key_; }
  static constexpr Philox::Counter counter(std::uint32_t step, std::uint16_t layer,
                                           std::uint64_t id, std::uint32_t draw) {
    return {draw, static_cast<std::uint32_t>(id), step,
            static_cast<std::uint32_t>((id >> 32) & 0xFFFFU) | std::uint32_t{layer} << 16};
  }

  /// The words of one (step, layer, id), one after the other.
  class Cursor {
   public:
    constexpr Cursor(const Random& random, std::uint32_t step, std::uint16_t layer,
                     std::uint64_t id)
        : key_(random.key_), step_(step), layer_(layer), id_(id) {}

    constexpr std::uint32_t word() {
      if (used_ == 4) {
        block_ = Philox::apply(counter(step_, layer_, id_, draw_++), key_);
        used_ = 0;
      }
      return block_[static_cast<std::size_t>(used_++)];
    }
    constexpr std::uint64_t words() {
      const std::uint64_t high = word();
      return high << 32 | word();
    }

    /// Uniform over [0, bound), unbiased (Lemire 2019, "Fast random integer generation in an
    /// interval"): multiply and reject. A bound of 0 returns 0.
    constexpr std::uint32_t bounded(std::uint32_t bound) {
      if (bound == 0) return 0;
      std::uint64_t product = std::uint64_t{word()} * bound;
      if (static_cast<std::uint32_t>(product) < bound) {
        const std::uint32_t threshold = (0U - bound) % bound;
        while (static_cast<std::uint32_t>(product) < threshold) {
          product = std::uint64_t{word()} * bound;
        }
      }
      return static_cast<std::uint32_t>(product >> 32);
    }

    /// Uniform over [0, 1), 24 bits.
    constexpr float uniform() { return static_cast<float>(word() >> 8) * 0x1p-24F; }
    /// Uniform over [0, 1), 53 bits.
    constexpr double uniform_double() { return static_cast<double>(words() >> 11) * 0x1p-53; }
    /// Normal with mean 0 and deviation 1 (Box and Muller 1958; the second of the pair is dropped).
    double normal() {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform_double()));
      return radius * std::cos(6.283185307179586 * uniform_double());
    }

   private:
    Philox::Key key_;
    std::uint32_t step_;
    std::uint16_t layer_;
    std::uint64_t id_;
    std::uint32_t draw_ = 0;
    int used_ = 4;
    Block block_{};
  };

  constexpr Cursor at(std::uint32_t step, std::uint16_t layer, std::uint64_t id) const {
    return Cursor(*this, step, layer, id);
  }

 private:
  static constexpr Philox::Key derive(std::uint64_t seed, std::uint64_t stream) {
    const auto words = Philox::apply(
        {static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32), 0, 0},
        {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    return {words[0], words[1]};
  }

  Philox::Key key_;
};

}  // namespace trainhost
