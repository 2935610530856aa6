// TrainingSet: the token ids of a set of texts, ready for batches.
//
// A file is read and tokenised once; the ids are kept in a token cache, a file that is mapped. So a
// second start costs one pass over the file and one over the ids (both are checked), every process
// of a machine shares one copy, and the memory of a process does not grow with the set. Building
// the cache takes the memory of the ids once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bert/tokenizer.h"
#include "sbert/set_settings.h"

namespace sbert {

/// Purpose: rows of one or several texts, as ids, and maybe a label. Owner: shares its memory (a
/// mapping or arrays) with its copies. Threads and ranks: immutable, any thread; equal on all
/// ranks.
class TrainingSet {
 public:
  /// Rows × columns of texts in `tokens`, row by row; `labels`: one a row, or none.
  TrainingSet(std::int64_t columns, bert::Tokens tokens, std::vector<float> labels,
              std::int64_t bad_lines = 0);

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::span<const std::int32_t> tokens(std::int64_t row, std::int64_t column) const {
    const std::int64_t* const at = offsets_.data() + row * columns_ + column;
    return ids_.subspan(static_cast<std::size_t>(at[0]), static_cast<std::size_t>(at[1] - at[0]));
  }
  /// Ids of all texts of a row.
  std::int64_t length(std::int64_t row) const {
    const std::int64_t* const at = offsets_.data() + row * columns_;
    return at[columns_] - at[0];
  }
  /// Of the longest text.
  std::int64_t longest() const;
  std::int64_t all_tokens() const { return static_cast<std::int64_t>(ids_.size()); }
  bool has_labels() const { return !labels_.empty(); }
  float label(std::int64_t row) const { return labels_[static_cast<std::size_t>(row)]; }
  /// Lines that were left out because they are no records.
  std::int64_t bad_lines() const { return bad_lines_; }

  // As they lie in memory, for the token cache.
  std::span<const std::int64_t> offsets() const { return offsets_; }  // [rows * columns + 1]
  std::span<const std::int32_t> ids() const { return ids_; }
  std::span<const float> labels() const { return labels_; }

 private:
  friend class TokenCache;
  TrainingSet() = default;

  std::shared_ptr<const void> memory_;  // shared: by copies of this set
  std::int64_t rows_ = 0, columns_ = 1, bad_lines_ = 0;
  std::span<const std::int64_t> offsets_;
  std::span<const std::int32_t> ids_;
  std::span<const float> labels_;
};

/// A set of texts at hand, row by row; `labels`: one a row, or none.
TrainingSet tokenised(std::int64_t columns, std::span<const std::string> texts,
                      std::vector<float> labels, const bert::Tokenizer& tokenizer,
                      std::int32_t max_length, int threads);

/// What reading tells on the way; both may be empty.
struct ReadingHooks {
  /// Bytes of the file, read and in all. What it throws ends the reading.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
  std::function<void(const std::string& text)> warn;
};

/// Reads and tokenises a file, without a cache. Throws trainhost::Error (kUser): what records.h
/// says; a bad line with file and line, or all lines bad; no row at all.
TrainingSet read_set(const SetSettings& settings, const bert::Tokenizer& tokenizer,
                     std::int32_t max_length, int threads, const ReadingHooks& hooks = {});

/// The same through the token cache in `cache_folder`/sbert. A damaged cache is made again, one
/// that cannot be written does without; both with a warning.
TrainingSet load_set(const SetSettings& settings, const bert::Tokenizer& tokenizer,
                     std::int32_t max_length, int threads, const std::string& cache_folder,
                     const ReadingHooks& hooks = {});

}  // namespace sbert
