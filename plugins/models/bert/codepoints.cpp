#include "bert/codepoints.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <string>

#include "bert/codepoint_tables.h"
#include "bert/utf8.h"

namespace bert {
namespace {

using tables::Expansion;
using tables::Range;
using tables::Run;

constexpr std::uint32_t kCodepoints = 0x110000;

/// The ranges that the reference takes for ideographs. The sixth begins at U+2B920, not at U+2B820:
/// so the reference has it.
constexpr Range kIdeographs[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                 {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                 {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};

bool within(std::span<const Range> sorted, char32_t codepoint) {
  const auto after =
      std::upper_bound(sorted.begin(), sorted.end(), codepoint,
                       [](char32_t value, const Range& range) { return value < range.first; });
  return after != sorted.begin() && codepoint <= std::prev(after)->last;
}

bool is_ideograph(char32_t codepoint) {
  return std::any_of(std::begin(kIdeographs), std::end(kIdeographs), [&](const Range& range) {
    return codepoint >= range.first && codepoint <= range.last;
  });
}

/// Code points that become others; those that are not in it stay what they are.
using Mapping = std::map<char32_t, std::u32string>;

Mapping mapping_of(std::span<const Run> runs, std::span<const Expansion> expansions) {
  Mapping out;
  for (const Run& run : runs) {
    for (std::size_t i = 0; i < run.become.size(); ++i) {
      const auto from = static_cast<char32_t>(run.first + i);
      if (run.become[i] != from) out.emplace(from, std::u32string(1, run.become[i]));
    }
  }
  for (const Expansion& one : expansions) out.emplace(one.from, one.become);
  return out;
}

/// Unicode 15, section 3.12, "Conjoining Jamo Behavior".
void add_hangul(Mapping& out) {
  constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTrails = 0x11A7;
  constexpr char32_t kVowelCount = 21, kTrailCount = 28, kCount = 11172;
  for (char32_t i = 0; i < kCount; ++i) {
    std::u32string jamo{kLeads + i / (kVowelCount * kTrailCount),
                        kVowels + i / kTrailCount % kVowelCount};
    if (i % kTrailCount != 0) jamo += kTrails + i % kTrailCount;
    out.emplace_hint(out.end(), kSyllables + i, std::move(jamo));
  }
}

Mapping stripping() {
  Mapping out = mapping_of(tables::stripped(), tables::stripped_to_many());
  for (const Range& range : tables::marks()) {
    for (char32_t mark = range.first; mark <= range.last; ++mark) out[mark].clear();
  }
  add_hangul(out);
  return out;
}

std::u32string applied(const Mapping& mapping, const std::u32string& text) {
  std::u32string out;
  for (const char32_t codepoint : text) {
    const auto found = mapping.find(codepoint);
    out += found == mapping.end() ? std::u32string(1, codepoint) : found->second;
  }
  return out;
}

/// First stripped, then lowered, as the reference does it.
Mapping normalising(const Normalisation& normalisation) {
  Mapping out;
  const Mapping lower = normalisation.lowercase
                            ? mapping_of(tables::lowered(), tables::lowered_to_many())
                            : Mapping{};
  if (normalisation.strip_accents) {
    for (const auto& [from, to] : stripping())
      out.emplace_hint(out.end(), from, applied(lower, to));
  }
  out.insert(lower.begin(), lower.end());  // of those that stripping leaves alone
  return out;
}

template <class Call>
void each_of(std::span<const Range> ranges, Call call) {
  for (const Range& range : ranges) {
    for (char32_t codepoint = range.first; codepoint <= range.last; ++codepoint) call(codepoint);
  }
}

bool is_isolated(char32_t codepoint) { return within(tables::punctuation(), codepoint); }

}  // namespace

Codepoints::Codepoints(const Normalisation& normalisation)
    : pages_(kCodepoints >> kPageBits, 0),
      actions_(std::size_t{1} << kPageBits, kKeep),
      first_symbol_{0} {
  const auto set = [this](char32_t codepoint, std::uint32_t action) {
    std::uint16_t& page = pages_[codepoint >> kPageBits];
    if (page == 0) {
      page = static_cast<std::uint16_t>(actions_.size() >> kPageBits);
      actions_.resize(actions_.size() + (std::size_t{1} << kPageBits), kKeep);
    }
    actions_[(std::size_t{page} << kPageBits) + (codepoint & ((1U << kPageBits) - 1U))] = action;
  };
  const auto isolated = [&](char32_t original, char32_t becomes) {
    return is_isolated(becomes) || (normalisation.handle_chinese_chars && is_ideograph(original));
  };

  // The later overrules the earlier: a control character is dropped before it is white space.
  each_of(tables::punctuation(), [&](char32_t codepoint) { set(codepoint, kIsolate); });
  if (normalisation.handle_chinese_chars) {
    each_of(kIdeographs, [&](char32_t codepoint) { set(codepoint, kIsolate); });
  }
  for (const auto& [from, to] : normalising(normalisation)) {
    if (to.empty()) {
      set(from, kDrop);
      continue;
    }
    set(from, kFirstReplaced + static_cast<std::uint32_t>(first_symbol_.size()) - 1);
    for (const char32_t becomes : to) {
      Symbol& symbol = symbols_.emplace_back();
      symbol.size = encode_utf8(becomes, symbol.bytes.data());
      symbol.isolated = isolated(from, becomes);
    }
    first_symbol_.push_back(static_cast<std::uint32_t>(symbols_.size()));
  }
  each_of(tables::white_space(), [&](char32_t codepoint) { set(codepoint, kSpace); });
  if (normalisation.clean_text) {
    each_of(tables::removed(), [&](char32_t codepoint) { set(codepoint, kDrop); });
  }
}

}  // namespace bert
