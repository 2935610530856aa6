// The inner loops of the reductions, one set for each instruction set.
//
// Purpose: dst[d][i] := ((src[0][i] + src[1][i]) + src[2][i]) + … for every d, in this order on
// every machine, so the bits do not depend on the instruction set (NaN payloads of fp16 apart).
// 16-bit elements are accumulated in fp32 and rounded once, to nearest even. min and max hand a NaN
// on. Integers wrap around. Threads and ranks: any; the sets are constant.
#pragma once

#include <cstddef>

#include "shared_memory/operation.h"

namespace shared_memory {

/// A destination may be one of the sources; a block is loaded from all before it is stored.
/// `stream` keeps the result out of the caches (for vectors larger than these).
struct Reduce {
  std::byte* const* destinations;
  std::size_t destination_count;
  const std::byte* const* sources;
  std::size_t source_count;
  std::size_t count;
  bool stream;
};

using ReduceFunction = void (*)(const Reduce&);

struct Kernels {
  const char* name;
  ReduceFunction reduce[kElements][kReductions];

  void operator()(Element element, Reduction reduction, const Reduce& what) const {
    reduce[static_cast<std::size_t>(element)][static_cast<std::size_t>(reduction)](what);
  }
};

/// The best set that this processor runs.
const Kernels& kernels();

/// The set of this name ("baseline", "avx2", "avx512"), or nullptr where the build or the processor
/// has none.
const Kernels* kernels_named(const char* name);

}  // namespace shared_memory
