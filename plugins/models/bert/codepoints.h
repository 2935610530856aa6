// Codepoints: what BERT's normalisation and pre-tokenisation make of each Unicode code point.
//
// Purpose: one look-up a code point, so that the tokenizer's inner loop knows no Unicode. The
// properties are those of the reference's tables, which are of an old Unicode
// (codepoint_tables.cpp, made by tests/models/bert/golden/make_codepoints.py). Owner: owns its
// tables, some 400 KB. Threads and ranks: immutable, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace bert {

/// The settings of the reference's BertNormalizer.
struct Normalisation {
  bool clean_text = true;            ///< drop control characters
  bool handle_chinese_chars = true;  ///< each CJK ideograph is a word of its own
  bool strip_accents = true;         ///< NFD, then drop marks (Mn)
  bool lowercase = true;
};

class Codepoints {
 public:
  explicit Codepoints(const Normalisation& normalisation);

  /// What a code point becomes: one of the four below, or kFirstReplaced + the index of what
  /// replaces it.
  enum Action : std::uint32_t { kKeep, kDrop, kSpace, kIsolate, kFirstReplaced };
  std::uint32_t action(char32_t codepoint) const {
    return actions_[(std::uint32_t{pages_[codepoint >> kPageBits]} << kPageBits) +
                    (codepoint & ((1U << kPageBits) - 1U))];
  }

  /// A code point of a replacement, in UTF-8.
  struct Symbol {
    std::array<char, 4> bytes;
    std::uint8_t size;
    bool isolated;  ///< a pre-token of its own: punctuation or CJK
  };
  /// Of an action at or above kFirstReplaced.
  std::span<const Symbol> replacement(std::uint32_t action) const {
    const std::uint32_t index = action - kFirstReplaced;
    return {symbols_.data() + first_symbol_[index], symbols_.data() + first_symbol_[index + 1]};
  }

 private:
  static constexpr std::uint32_t kPageBits = 7;

  std::vector<std::uint16_t> pages_;         // [0x110000 >> kPageBits]
  std::vector<std::uint32_t> actions_;       // [pages << kPageBits]; page 0: kKeep
  std::vector<std::uint32_t> first_symbol_;  // [replacements + 1]
  std::vector<Symbol> symbols_;
};

}  // namespace bert
