// The CRC-32 of zlib, gzip and PNG, at the speed of memory.
//
// Threads and ranks: pure functions.
#pragma once

#include <cstdint>

namespace trainhost {

/// Of a range of any size; `before`: that of what precedes it.
std::uint32_t crc32_of(const void* data, std::int64_t bytes, std::uint32_t before = 0);

}  // namespace trainhost
