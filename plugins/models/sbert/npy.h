// The header of a NumPy array file (.npy, format version 1.0).
#pragma once

#include <cstdint>
#include <string>

namespace sbert {

/// Of float32 [rows, columns] in C order; the numbers follow it, little-endian.
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
inline std::string npy_header(std::int64_t rows, std::int64_t columns) {
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) +
                     ", " + std::to_string(columns) + "), }";
  constexpr std::size_t kBefore = 10, kAlignment = 64;
  const std::size_t with_end = kBefore + text.size() + 1;
  text.append((kAlignment - with_end % kAlignment) % kAlignment, ' ').push_back('\n');
  std::string out("\x93NUMPY\x01\x00", 8);
  out.push_back(static_cast<char>(text.size() & 0xFFU));
  out.push_back(static_cast<char>(text.size() >> 8));
  return out + text;
}

}  // namespace sbert
