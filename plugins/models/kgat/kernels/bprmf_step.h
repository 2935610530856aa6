// The inner loop of BPR-MF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kgat {

struct BprSample {
  std::int32_t user, positive, negative;
};

struct BprRates {
  float lr, decay;
};

/// One step of stochastic gradient ascent for each sample, in order. Rows are `width` floats, a
/// multiple of simd::kPad.
void bprmf_steps(std::span<const BprSample> samples, BprRates rates, std::ptrdiff_t width,
                 float* users, float* items);

}  // namespace kgat
