// Dropout whose mask depends on (seed, step, site, row, token, column) alone: so it is the same for
// any number of ranks, in GradCache's second pass and under recomputation.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trainhost/random.h"

namespace transformer {

/// Purpose: the key of the masks of some consecutive rows. A value; any thread.
struct Dropout {
  trainhost::Random random{0, 0};
  std::uint32_t step = 0;
  std::uint64_t first = 0;  ///< global number of the first token
  double rate = 0;          ///< 0: none
  int first_site = 0;

  /// x [n, columns], one line a token; `site` tells apart the places of a model.
  at::Tensor apply(const at::Tensor& x, int site) const;
};

}  // namespace transformer
