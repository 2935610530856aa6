// The vectors and products that models share (plugins/models/simd), under KGAT's names.
#pragma once

#include "simd/products.h"

#define KGAT_INLINE SIMD_INLINE
#define KGAT_UNROLL SIMD_UNROLL

namespace kgat::simd {
using namespace ::simd;
}  // namespace kgat::simd
