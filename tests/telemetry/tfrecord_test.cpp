#include "host/telemetry/tfrecord.h"

#include <catch2/catch.hpp>
#include <string>

using namespace trainhost::telemetry;

TEST_CASE("CRC-32C gives RFC 3720's answers") {
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending += static_cast<char>(i);
    descending += static_cast<char>(31 - i);
  }
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(crc32c(ascending) == 0x46dd794e);
  CHECK(crc32c(descending) == 0x113fdb5c);
}

TEST_CASE("a record is framed by its length and two masked checksums") {
  CHECK(masked_crc32c("") == 0xa282ead8);
  const std::string record = tfrecord("abc");
  REQUIRE(record.size() == 8 + 4 + 3 + 4);
  CHECK(record.substr(0, 8) == std::string("\3\0\0\0\0\0\0\0", 8));
  CHECK(record.substr(12, 3) == "abc");
  const auto little_endian = [&record](std::size_t at) {
    std::uint32_t out = 0;
    for (std::size_t i = 4; i-- > 0;) out = out << 8 | static_cast<unsigned char>(record[at + i]);
    return out;
  };
  CHECK(little_endian(8) == masked_crc32c(record.substr(0, 8)));
  CHECK(little_endian(15) == masked_crc32c("abc"));
  CHECK(tfrecord("").size() == 16);
}
