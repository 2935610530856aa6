#include "host/telemetry/tfrecord.h"

#include <array>

namespace trainhost::telemetry {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82f63b78;  // of 0x1edc6f41
constexpr std::uint32_t kMaskDelta = 0xa282ead8;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> out{};
  for (std::uint32_t byte = 0; byte < out.size(); ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReflectedPolynomial : 0);
    out[byte] = crc;
  }
  return out;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

void append_little_endian(std::uint64_t value, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  }
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + kMaskDelta;
}

std::string tfrecord(std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 16);
  append_little_endian(payload.size(), 8, out);
  append_little_endian(masked_crc32c(out), 4, out);
  out += payload;
  append_little_endian(masked_crc32c(payload), 4, out);
  return out;
}

}  // namespace trainhost::telemetry
