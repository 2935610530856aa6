// Dropout whose masks depend on (seed, step, site, sequence, position, column) alone: the same on
// any rank, in any batch, in GradCache's second pass and under recomputation.
//
// A number of 16 bits belongs to each element; it is dropped where that is below the threshold, so
// the probability is rounded to 1/65536, and what is kept is scaled by exactly 1 / (1 - p). Column
// c of a token is number c % 8 of block(step, site, id, c / 8), even ones being the low halves of
// the block's words; id = key of the sequence · 4096 + position. Attention weights are elements of
// the querying token: the block of column c (the key's position) of head h is h · 512 + c / 8.
#pragma once

#include <cmath>
#include <cstdint>

#include "bert/packed.h"
#include "trainhost/random.h"

namespace bert {

/// Purpose: the masks of one site. A value; any thread.
struct Mask {
  trainhost::Random random{0, 0};
  std::uint32_t step = 0;
  std::uint16_t site = 0;
  std::uint32_t threshold = 0;  ///< of 65536; 0 for no dropout

  bool any() const { return threshold > 0; }
  float scale() const { return 65536.0F / static_cast<float>(65536U - threshold); }
};

/// Purpose: the masks of a pass. A value; any thread.
struct Dropout {
  trainhost::Random random{0, 0};
  std::uint32_t step = 0;
  double hidden = 0, attention = 0;  ///< rates; 0 in evaluation

  Mask embeddings() const { return mask(0, hidden); }
  // Of layer `layer`, from 0.
  Mask attention_weights(std::int64_t layer) const { return mask(1 + 3 * layer, attention); }
  Mask attention_output(std::int64_t layer) const { return mask(2 + 3 * layer, hidden); }
  Mask output(std::int64_t layer) const { return mask(3 + 3 * layer, hidden); }

 private:
  Mask mask(std::int64_t site, double rate) const {
    return {random, step, static_cast<std::uint16_t>(site),
            static_cast<std::uint32_t>(std::lround(rate * 65536.0))};
  }
};

/// Blocks of a head's attention weights.
inline constexpr std::uint32_t kBlocksOfHead = kKeyedPositions / 8;

/// What names each token in a mask: [tokens].
inline std::vector<std::uint64_t> token_keys(const Sequences& sequences) {
  std::vector<std::uint64_t> out;
  out.reserve(static_cast<std::size_t>(sequences.tokens()));
  for (std::size_t i = 0; i < sequences.keys.size(); ++i) {
    const std::int64_t length = sequences.offsets[i + 1] - sequences.offsets[i];
    for (std::int64_t t = 0; t < length; ++t) {
      out.push_back(sequences.keys[i] * kKeyedPositions + static_cast<std::uint64_t>(t));
    }
  }
  return out;
}

}  // namespace bert
