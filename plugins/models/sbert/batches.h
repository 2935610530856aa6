// What a batch of SBERT holds: the texts of its rows, packed row by row.
#pragma once

#include <cstdint>
#include <memory>

#include "bert/packed.h"
#include "trainhost/batch.h"

namespace sbert {

/// The tensors of a batch.
enum BatchTensor {
  kIds,        ///< i64 [tokens]
  kPositions,  ///< i64 [tokens]
  kStarts,     ///< i32 [n * columns + 1]
  kLabels,     ///< fp32 or i64 [n]; there where the set has labels
};

/// Batch::extra: what stays on the host.
struct BatchTexts {
  std::int64_t set = 0;  ///< whose rows these are
  std::int64_t columns =
      0;  ///< texts of a row; text `column` of row r is sequence r * columns + column
  std::shared_ptr<const bert::Sequences> sequences;  ///< shared with backward functions
};

/// Texts of a row have keys of their own below this.
inline constexpr std::uint64_t kMostColumns = 64;

/// The sequences of rows [begin, end) of a batch.
bert::Packed packed_rows(const trainhost::Batch& batch, std::int64_t begin, std::int64_t end);

}  // namespace sbert
