// Tokenizer: text → ids, as BERT's WordPiece makes them.
//
// Purpose: the ids of the reference (HuggingFace tokenizers), token by token, with no allocation
// but that of the result. Owner: a value that owns its tables. Threads and ranks: immutable, any
// thread; equal on all ranks. Text is UTF-8; what is none counts as U+FFFD, which cleaning drops.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bert/codepoints.h"
#include "bert/vocabulary.h"

namespace bert {

/// The ids of many texts, one after the other.
struct Tokens {
  std::vector<std::int64_t> offsets{0};  // [size + 1]
  std::vector<std::int32_t> ids;

  std::int64_t size() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::span<const std::int32_t> of(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    return {ids.data() + offsets[at], static_cast<std::size_t>(offsets[at + 1] - offsets[at])};
  }
};

struct TokenizerSettings {
  Normalisation normalisation{};
  std::int32_t max_input_chars_per_word = 100;  ///< a longer word is unknown; at most 1000
  std::string pad = "[PAD]", unk = "[UNK]", cls = "[CLS]", sep = "[SEP]", mask = "[MASK]";
  /// Further tokens that are found in the raw text before it is normalised, as the five above are.
  std::vector<std::string> added{};
};

class Tokenizer {
 public:
  /// From tokenizer.json or, where there is none, vocab.txt; tokenizer_config.json settles the case
  /// and the accents (tokenizer_files.h). Throws trainhost::Error (kUser) with file and line, also
  /// for a tokenizer of another kind, naming what is supported.
  static Tokenizer from_directory(const std::string& folder);

  /// Throws trainhost::Error (kUser) when the vocabulary lacks a special token.
  Tokenizer(Vocabulary vocabulary, TokenizerSettings settings);

  /// Appends [CLS] text [SEP], cut to `max_length` ids. 0: of any length; else at least 2.
  void append(std::string_view text, std::int32_t max_length, std::vector<std::int32_t>& ids) const;

  /// Appends [CLS] a [SEP] b [SEP], cut to `max_length` ids (0: any; else at least 3) by the
  /// reference's "longest_first"; `types` gets 0 for the first three parts and 1 for the others.
  void append_pair(std::string_view a, std::string_view b, std::int32_t max_length,
                   std::vector<std::int32_t>& ids, std::vector<std::uint8_t>& types) const;

  /// append() of many texts on `threads` threads, of which the caller's is one; the result does not
  /// depend on how many. `progress` is called on the caller's thread; what it throws ends the work
  /// and reaches the caller.
  Tokens encode(std::span<const std::string_view> texts, std::int32_t max_length, int threads,
                const std::function<void(std::int64_t done)>& progress = {}) const;

  /// Of vocabulary, settings and the version of this code: equal where all ids are.
  std::uint64_t fingerprint() const { return fingerprint_; }

  std::int32_t pad_id() const { return pad_id_; }
  std::int32_t unk_id() const { return unk_id_; }
  std::int32_t cls_id() const { return cls_id_; }
  std::int32_t sep_id() const { return sep_id_; }
  std::int32_t mask_id() const { return mask_id_; }
  std::int32_t size() const { return vocabulary_.size(); }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const TokenizerSettings& settings() const { return settings_; }

 private:
  class Words;

  std::int32_t required(const std::string& token) const;
  void find_specials();
  void read_ascii();
  std::uint64_t hash_of_all() const;

  void append_words(std::string_view text, std::size_t enough,
                    std::vector<std::int32_t>& ids) const;
  bool append_codepoint(char32_t codepoint, Words& words) const;
  std::int32_t special_at(std::string_view text, std::size_t at) const;

  Vocabulary vocabulary_;
  TokenizerSettings settings_;
  Codepoints codepoints_;
  std::int32_t pad_id_, unk_id_, cls_id_, sep_id_, mask_id_;
  std::vector<std::int32_t> specials_;      // found in raw text; the longest first
  std::array<bool, 256> begins_special_{};  // by first byte
  struct Ascii {
    std::uint8_t action;  // kKeep, kDrop, kSpace or kIsolate
    char becomes;
  };
  std::array<Ascii, 128> ascii_{};
  std::uint64_t fingerprint_;
};

}  // namespace bert
