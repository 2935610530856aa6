// The CRC is zlib's, for every length, alignment and start.
#include "trainhost/crc32.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>

namespace {

using trainhost::crc32_of;

std::string noise(std::size_t size) {
  std::mt19937 random(1);
  std::string out(size, '\0');
  for (char& byte : out) byte = static_cast<char>(random());
  return out;
}

std::uint32_t expected(const std::string& text, std::size_t at, std::size_t size,
                       std::uint32_t before) {
  return static_cast<std::uint32_t>(
      crc32_z(before, reinterpret_cast<const Bytef*>(text.data()) + at, size));
}

}  // namespace

TEST_CASE("the CRC is that of the standard's check value and of zlib") {
  CHECK(crc32_of("123456789", 9) == 0xcbf43926);
  CHECK(crc32_of(nullptr, 0) == 0);
  CHECK(crc32_of(nullptr, 0, 77) == 77);
  const std::string text = noise(1200);
  for (std::size_t at = 0; at < 17; ++at) {
    for (std::size_t size = 1; size < 1100; ++size) {
      const std::uint32_t before =
          size % 3 == 0 ? 0 : static_cast<std::uint32_t>(size * 2654435761U);
      if (crc32_of(text.data() + at, static_cast<std::int64_t>(size), before) !=
          expected(text, at, size, before)) {
        FAIL("offset " << at << ", size " << size);
      }
    }
  }
}

TEST_CASE("the CRC of a whole is that of its parts one after the other") {
  const std::string text = noise(100000);
  const std::uint32_t whole = crc32_of(text.data(), std::ssize(text));
  CHECK(whole == expected(text, 0, text.size(), 0));
  for (const std::int64_t cut : {1, 63, 64, 65, 4096, 99999}) {
    const std::uint32_t first = crc32_of(text.data(), cut);
    CHECK(crc32_of(text.data() + cut, std::ssize(text) - cut, first) == whole);
  }
}
