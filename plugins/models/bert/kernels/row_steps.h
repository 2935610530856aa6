// Steps on one padded row in the first cache.
#pragma once

#include <cmath>

#include "bert/kernels/rows.h"
#include "bert/kernels/vector.h"
#include "simd/philox.h"

namespace bert::kernels {

/// The 16-bit numbers of one row: [padded(columns)].
template <class Isa>
SIMD_INLINE void mask_numbers(const RowMask& mask, std::ptrdiff_t row, std::ptrdiff_t columns,
                              std::uint16_t* numbers) {
  const std::uint64_t key = mask.keys[row];
  random_numbers<Isa>(
      mask.mask.random, mask.mask.step, mask.mask.site,
      [key](std::ptrdiff_t) {
        return NumberRow{key, 0};
      },
      1, padded(columns) / 8, numbers);
}

/// The factors of kLanes elements: scale where a number is kept, 0 where it is dropped.
template <class Isa>
SIMD_INLINE typename Isa::F kept(const std::uint16_t* numbers, const Mask& mask) {
  using I32 = typename Bits<Isa>::I32;
  typename Bits<Isa>::U16 half;
  __builtin_memcpy(&half, numbers, sizeof(half));
  const I32 values = __builtin_convertvector(half, I32);
  const I32 keeps = values >= static_cast<std::int32_t>(mask.threshold);
  return bits_as<typename Isa::F>(bits_as<I32>(splat<Isa>(mask.scale())) & keeps);
}

/// Mean and 1 / deviation of the first `columns` of a padded row, whose rest is zero.
template <class Isa>
SIMD_INLINE void moments(const float* row, std::ptrdiff_t columns, float epsilon, float& mean,
                         float& inverse) {
  using F = typename Isa::F;
  F sums{};
  for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) sums += load<Isa>(row + c);
  mean = sum_of<Isa>(sums) / static_cast<float>(columns);
  F squares{};
  std::ptrdiff_t c = 0;
  for (; c + Isa::kLanes <= columns; c += Isa::kLanes) {
    const F centred = load<Isa>(row + c) - mean;
    squares += centred * centred;
  }
  float square = sum_of<Isa>(squares);
  for (; c < columns; ++c) square += (row[c] - mean) * (row[c] - mean);
  inverse = 1.0F / std::sqrt(square / static_cast<float>(columns) + epsilon);
}

/// row := (row - mean) · inverse · weight + bias; weight and bias padded.
template <class Isa>
SIMD_INLINE void normalise_row(float* row, std::ptrdiff_t columns, float mean, float inverse,
                               const float* weight, const float* bias) {
  for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
    const auto normal = (load<Isa>(row + c) - mean) * inverse;
    store<Isa>(row + c, normal * load<Isa>(weight + c) + load<Isa>(bias + c));
  }
}

/// Backward of a LayerNorm's row: `gradient` := that of its input. Adds to the sums of the
/// gradients of weight and bias.
template <class Isa>
SIMD_INLINE void normalise_row_backward(const float* row, std::ptrdiff_t columns, float mean,
                                        float inverse, const float* weight, float* gradient,
                                        float* d_weight, float* d_bias) {
  using F = typename Isa::F;
  F sums{}, products{};
  for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
    const F dy = load<Isa>(gradient + c);
    const F normal = (load<Isa>(row + c) - mean) * inverse;
    store<Isa>(d_weight + c, load<Isa>(d_weight + c) + dy * normal);
    store<Isa>(d_bias + c, load<Isa>(d_bias + c) + dy);
    const F weighted = dy * load<Isa>(weight + c);
    sums += weighted;
    products += weighted * normal;
    store<Isa>(gradient + c, weighted);
  }
  const float mean_sum = sum_of<Isa>(sums) / static_cast<float>(columns);
  const float mean_product = sum_of<Isa>(products) / static_cast<float>(columns);
  for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
    const F normal = (load<Isa>(row + c) - mean) * inverse;
    store<Isa>(gradient + c,
               (load<Isa>(gradient + c) - mean_sum - normal * mean_product) * inverse);
  }
}

}  // namespace bert::kernels
