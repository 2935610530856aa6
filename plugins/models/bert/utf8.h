// UTF-8, decoded so that any bytes have a meaning.
//
// Threads and ranks: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bert {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct Decoded {
  char32_t codepoint;
  std::uint32_t bytes;  ///< that it took
  bool valid;           ///< false: U+FFFD stands for bytes that are no UTF-8
};

/// The code point at text[at], at < text.size(). What is no UTF-8 becomes one U+FFFD for each
/// maximal part of a character (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal
/// Subparts"), as Python's bytes.decode(errors="replace") does.
inline Decoded decode_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::uint32_t wanted = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4) return {kReplacementCharacter, 1, false};
  // The second byte's range shuts out overlong forms, surrogates and what lies above U+10FFFF.
  const std::uint32_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint32_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return {kReplacementCharacter, 1, false};
  std::uint32_t codepoint = (lead & (0x7FU >> wanted)) << 6 | (byte(1) & 0x3FU);
  for (std::uint32_t i = 2; i < wanted; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {kReplacementCharacter, i, false};
    codepoint = codepoint << 6 | (byte(i) & 0x3FU);
  }
  return {codepoint, wanted, true};
}

/// Writes at most 4 bytes; returns how many.
inline std::uint8_t encode_utf8(char32_t codepoint, char* out) {
  const auto tail = [&](int shift) {
    return static_cast<char>(0x80U | (static_cast<std::uint32_t>(codepoint) >> shift & 0x3FU));
  };
  if (codepoint < 0x80) {
    out[0] = static_cast<char>(codepoint);
    return 1;
  }
  if (codepoint < 0x800) {
    out[0] = static_cast<char>(0xC0U | codepoint >> 6);
    out[1] = tail(0);
    return 2;
  }
  if (codepoint < 0x10000) {
    out[0] = static_cast<char>(0xE0U | codepoint >> 12);
    out[1] = tail(6), out[2] = tail(0);
    return 3;
  }
  out[0] = static_cast<char>(0xF0U | codepoint >> 18);
  out[1] = tail(12), out[2] = tail(6), out[3] = tail(0);
  return 4;
}

/// Where the first byte is that is no UTF-8, or npos.
inline std::size_t first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Decoded decoded = decode_utf8(text, at);
    if (!decoded.valid) return at;
    at += decoded.bytes;
  }
  return std::string_view::npos;
}

}  // namespace bert
