// TokenCache: the file that keeps a TrainingSet between runs.
//
// Its name and its content tell what it was made from: content of the data file, tokenizer,
// lengths, columns and the version of this code. Layout, little-endian: ids i32, padding to 8
// bytes, offsets i64, labels f32, the key as text, then the counts, the CRC-32 of all before it,
// and a magic word.
#pragma once

#include <optional>
#include <string>

#include "sbert/training_set.h"

namespace sbert {

/// Purpose: finds, opens and writes the cache of one key. Owner: a value. Threads and ranks: any;
/// processes that write the same cache at once do no harm.
class TokenCache {
 public:
  /// `key`: all that the ids depend on.
  TokenCache(const std::string& folder, std::string key);

  enum class Found { kNothing, kDamaged, kSet };
  /// Maps and checks the file: sizes, CRC-32, offsets, ids below `vocabulary_size`.
  Found open(std::int32_t vocabulary_size, TrainingSet& out) const;
  /// Throws trainhost::Error (kRun) when it cannot be written.
  void write(const TrainingSet& set) const;
  const std::string& path() const { return path_; }

 private:
  std::string key_, path_;
};

/// Size and hash of a file's bytes, as text. Throws trainhost::Error (kUser) when it cannot be
/// read.
std::string content_of(const std::string& path);

}  // namespace sbert
