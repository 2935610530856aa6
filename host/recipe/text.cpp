#include "host/recipe/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace trainhost::recipe {
namespace {

/// Optimal string alignment distance.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return "";
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : known) {
    const std::size_t distance = edits(word, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view group) {
  const std::string near = nearest(word, known);
  if (!near.empty()) return "; did you mean '" + near + "'?";
  if (known.empty()) return "; there are no known " + std::string(group);
  return "; known " + std::string(group) + ": " + join(known, ", ");
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += separator;
    out += words[i];
  }
  return out;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string out = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return out + (text.size() > kLongest ? "…'" : "'");
}

std::string lua_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '\n') out += '\\';
    out += c;
  }
  return out + "\"";
}

bool is_clean_text(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      if ((lead < 0x20 && lead != '\t' && lead != '\n') || lead == 0x7f) return false;
      ++i;
      continue;
    }
    const std::size_t more = lead >= 0xc2 && lead <= 0xdf   ? 1
                             : lead >= 0xe0 && lead <= 0xef ? 2
                             : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                            : 0;
    if (more == 0 || i + more >= text.size()) return false;
    std::uint32_t point = lead & (0x3fu >> more);
    for (std::size_t k = 1; k <= more; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xc0) != 0x80) return false;
      point = point << 6 | (byte & 0x3fu);
    }
    constexpr std::uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (point < kLeast[more] || point > 0x10ffff || surrogate) return false;
    i += more + 1;
  }
  return true;
}

std::string cleaned(std::string_view text) {
  std::string out(text);
  if (is_clean_text(text)) return out;
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x7f || (byte < 0x20 && c != '\n' && c != '\t')) c = '?';
  }
  return out;
}

std::string number_text(double number) {
  if (!std::isfinite(number)) {
    return std::isnan(number) ? "NaN" : number > 0 ? "infinity" : "-infinity";
  }
  char buffer[32];
  const auto end =
      std::trunc(number) == number && std::abs(number) < 1e15
          ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<long long>(number))
          : std::to_chars(buffer, buffer + sizeof buffer, number);
  return {buffer, end.ptr};
}

std::string short_number(double number) {
  if (!std::isfinite(number)) return number_text(number);
  if (std::trunc(number) == number && std::abs(number) < 1e15) return number_text(number);
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::general, 6);
  return {buffer, end.ptr};
}

}  // namespace trainhost::recipe
