// The properties of code points that codepoints.cpp builds its look-up from.
#pragma once

#include <span>
#include <string_view>

namespace bert::tables {

struct Range {
  char32_t first, last;
};

/// The code points from `first` on, one after the other, become those of `become`.
struct Run {
  char32_t first;
  std::u32string_view become;
};

/// One code point becomes all of `become`.
struct Expansion {
  char32_t from;
  std::u32string_view become;
};

/// Dropped by clean_text: U+0000, U+FFFD, Cc but for \t \n \r, Cf, Co.
std::span<const Range> removed();
std::span<const Range> white_space();
std::span<const Range> punctuation();
/// strip_accents: NFD without marks. Hangul syllables, which a formula decomposes, are not among
/// them.
std::span<const Range> marks();
std::span<const Run> stripped();
std::span<const Expansion> stripped_to_many();
/// lowercase, of one code point.
std::span<const Run> lowered();
std::span<const Expansion> lowered_to_many();

}  // namespace bert::tables
