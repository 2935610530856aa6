// TFRecord: the framing of TensorBoard's event files.
//
// A record is its length (u64, little-endian), the masked CRC-32C of those eight bytes, the payload
// and the masked CRC-32C of the payload (u32, little-endian). Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trainhost::telemetry {

/// CRC-32C (Castagnoli), as in RFC 3720, appendix B.4.
std::uint32_t crc32c(std::string_view bytes);

/// Rotated and offset, so that a checksum of bytes that hold checksums stays a good one.
std::uint32_t masked_crc32c(std::string_view bytes);

std::string tfrecord(std::string_view payload);

}  // namespace trainhost::telemetry
