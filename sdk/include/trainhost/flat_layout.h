// How the parameters of a unit lie in one flat buffer: each starts on a 64-byte boundary.
//
// Purpose: one layout for strategies, claims and checkpoints. Threads and ranks: pure functions.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <vector>

#include "trainhost/unit.h"

namespace trainhost {

inline constexpr std::int64_t kFlatAlignment = 64;  ///< bytes

inline std::int64_t element_count(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

inline std::int64_t byte_count(const ParameterSpec& parameter) {
  return element_count(parameter.shape) *
         static_cast<std::int64_t>(c10::elementSize(parameter.dtype));
}

struct FlatLayout {
  std::vector<std::int64_t> offsets;  ///< bytes, one for each parameter of the unit
  std::int64_t bytes = 0;             ///< of the whole buffer, padding included
  std::int64_t padding = 0;           ///< of those, padding
};

inline FlatLayout flat_layout(const UnitSpec& unit) {
  FlatLayout layout;
  for (const ParameterSpec& parameter : unit.parameters) {
    layout.offsets.push_back(layout.bytes);
    const std::int64_t bytes = byte_count(parameter);
    const std::int64_t padded = (bytes + kFlatAlignment - 1) / kFlatAlignment * kFlatAlignment;
    layout.bytes += padded;
    layout.padding += padded - bytes;
  }
  return layout;
}

}  // namespace trainhost
