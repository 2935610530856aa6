// Arrangement: one pass over a set, cut into batches.
//
// A pass is a pure function of (seed, epoch, set, pass, batch): the same on every rank and thread,
// and after a resume.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trainhost/random.h"

namespace sbert {

class TrainingSet;

/// What a batch is made of.
enum class Arrangement {
  kRandom,        ///< rows in random order
  kLength,        ///< rows of similar length (random among those), batches in random order
  kNoDuplicates,  ///< random, but no text of any column occurs in two rows of a batch
};

/// The batches of a pass: rows[begins[i] .. begins[i + 1]) each.
struct Pass {
  std::vector<std::int64_t> rows, begins{0};

  std::int64_t batches() const { return static_cast<std::int64_t>(begins.size()) - 1; }
  std::span<const std::int64_t> batch(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    return {rows.data() + begins[at], static_cast<std::size_t>(begins[at + 1] - begins[at])};
  }
};

/// Which texts of a set are the same (as token ids): a number for each text, equal for equal texts.
/// [rows * columns]. Equality is that of a 64-bit hash.
std::vector<std::int32_t> text_numbers(const TrainingSet& set);

/// The key of a pass's random numbers.
struct PassKey {
  std::uint32_t epoch = 0;
  std::uint16_t set = 0;
  std::uint64_t pass = 0;  ///< within the epoch: more than one where a set is used several times
};

/// Batches of `batch` rows; the last may be smaller, unless `drop_last`. `numbers`: text_numbers(),
/// for kNoDuplicates alone. There, rows whose text is in a batch already go to the next one that
/// has room and not their text (time linear in the texts); a text that is in more rows than there
/// are batches makes small batches at the end.
Pass arrange(const TrainingSet& set, Arrangement arrangement, std::int64_t batch, bool drop_last,
             const trainhost::Random& random, PassKey key, std::span<const std::int32_t> numbers);

}  // namespace sbert
