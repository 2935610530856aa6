#include "bert/kernels/blocks.h"
#include "bert/kernels/row_steps.h"

namespace bert::kernels {
namespace {

/// Padded memory of a thread for one row.
struct RowMemory {
  explicit RowMemory(std::ptrdiff_t columns)
      : row(static_cast<std::size_t>(padded(columns))),
        other(row.size()),
        more(row.size()),
        numbers(row.size()) {}

  std::vector<float> row, other, more;
  std::vector<std::uint16_t> numbers;
};

template <class T>
struct Forward {
  Extent extent;
  std::vector<float> bias, weight, norm_bias;
  float epsilon;
  RowMask mask;
  const T* residual;
  T *sum, *y;
  Statistics statistics;
};

struct ForwardBlock {
  template <class Isa, class T>
  SIMD_INLINE void row(const Forward<T>& pass, std::ptrdiff_t row, RowMemory& memory) {
    const std::ptrdiff_t columns = pass.extent.columns, at = row * columns;
    float *x = memory.row.data(), *residual = memory.other.data();
    load_row<Isa>(pass.sum + at, columns, x);
    load_row<Isa>(pass.residual + at, columns, residual);
    const bool drops = pass.mask.mask.any();
    if (drops) mask_numbers<Isa>(pass.mask, row, columns, memory.numbers.data());
    for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
      auto value = load<Isa>(x + c) + load<Isa>(pass.bias.data() + c);
      if (drops) value *= kept<Isa>(memory.numbers.data() + c, pass.mask.mask);
      store<Isa>(x + c, value + load<Isa>(residual + c));
    }
    float mean = 0, inverse = 0;
    moments<Isa>(x, columns, pass.epsilon, mean, inverse);
    if (pass.statistics.mean != nullptr) {
      pass.statistics.mean[row] = mean;
      pass.statistics.inverse[row] = inverse;
      store_row<Isa>(x, columns, pass.sum + at);
    }
    normalise_row<Isa>(x, columns, mean, inverse, pass.weight.data(), pass.norm_bias.data());
    store_row<Isa>(x, columns, pass.y + at);
  }

  template <class Isa, class T>
  SIMD_INLINE void run(const Forward<T>* pass, std::ptrdiff_t block, RowMemory* memory) {
    const std::ptrdiff_t end = std::min(pass->extent.rows, (block + 1) * kBlockRows);
    for (std::ptrdiff_t r = block * kBlockRows; r < end; ++r) row<Isa>(*pass, r, *memory);
  }
};

template <class T>
struct Backward {
  Extent extent;
  const T *first, *second, *sum;
  Statistics statistics;
  std::vector<float> weight;
  RowMask mask;
  T *d_sum, *d_product;
};

enum Sum { kWeight, kNormBias, kBias, kSums };

struct BackwardBlock {
  template <class Isa, class T>
  SIMD_INLINE void row(const Backward<T>& pass, std::ptrdiff_t row, float* d_weight,
                       float* d_norm_bias, float* d_bias, RowMemory& memory) {
    const std::ptrdiff_t columns = pass.extent.columns, at = row * columns;
    float *gradient = memory.row.data(), *x = memory.other.data(), *more = memory.more.data();
    load_row<Isa>(pass.first + at, columns, gradient);
    load_row<Isa>(pass.sum + at, columns, x);
    if (pass.second != nullptr) {
      load_row<Isa>(pass.second + at, columns, more);
      for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
        store<Isa>(gradient + c, load<Isa>(gradient + c) + load<Isa>(more + c));
      }
    }
    normalise_row_backward<Isa>(x, columns, pass.statistics.mean[row], pass.statistics.inverse[row],
                                pass.weight.data(), gradient, d_weight, d_norm_bias);
    store_row<Isa>(gradient, columns, pass.d_sum + at);
    if (pass.d_product != nullptr) {
      mask_numbers<Isa>(pass.mask, row, columns, memory.numbers.data());
      for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
        const auto factor = kept<Isa>(memory.numbers.data() + c, pass.mask.mask);
        store<Isa>(gradient + c, load<Isa>(gradient + c) * factor);
      }
      store_row<Isa>(gradient, columns, pass.d_product + at);
    }
    for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
      store<Isa>(d_bias + c, load<Isa>(d_bias + c) + load<Isa>(gradient + c));
    }
  }

  template <class Isa, class T>
  SIMD_INLINE void run(const Backward<T>* pass, std::ptrdiff_t block, PartialSums* sums,
                       RowMemory* memory) {
    const std::ptrdiff_t end = std::min(pass->extent.rows, (block + 1) * kBlockRows);
    for (std::ptrdiff_t r = block * kBlockRows; r < end; ++r) {
      row<Isa>(*pass, r, sums->of(block, kWeight), sums->of(block, kNormBias),
               sums->of(block, kBias), *memory);
    }
  }
};

}  // namespace

template <class T>
void residual_norm(Extent extent, const float* bias, const RowMask& mask, const T* residual,
                   const Norm& norm, T* sum, T* y, const Statistics& statistics) {
  const Forward<T> pass{extent,
                        padded_row(bias, extent.columns),
                        padded_row(norm.weight, extent.columns),
                        padded_row(norm.bias, extent.columns),
                        norm.epsilon,
                        mask,
                        residual,
                        sum,
                        y,
                        statistics};
#pragma omp parallel
  {
    RowMemory memory(extent.columns);
#pragma omp for
    for (std::ptrdiff_t block = 0; block < blocks_of(extent.rows); ++block) {
      dispatch<ForwardBlock>(&pass, block, &memory);
    }
  }
}

template <class T>
void residual_norm_backward(Extent extent, const T* first, const T* second, const T* sum,
                            const Statistics& statistics, const float* weight, const RowMask& mask,
                            T* d_sum, T* d_product, const RowGradients& gradients) {
  const Backward<T> pass{extent, first,      second,
                         sum,    statistics, padded_row(weight, extent.columns),
                         mask,   d_sum,      d_product};
  PartialSums sums(extent.rows, extent.columns, kSums);
#pragma omp parallel
  {
    RowMemory memory(extent.columns);
#pragma omp for
    for (std::ptrdiff_t block = 0; block < blocks_of(extent.rows); ++block) {
      dispatch<BackwardBlock>(&pass, block, &sums, &memory);
    }
  }
  sums.add_up(kWeight, extent.columns, gradients.norm_weight);
  sums.add_up(kNormBias, extent.columns, gradients.norm_bias);
  sums.add_up(kBias, extent.columns, gradients.bias);
}

template void residual_norm(Extent, const float*, const RowMask&, const float*, const Norm&, float*,
                            float*, const Statistics&);
template void residual_norm(Extent, const float*, const RowMask&, const c10::BFloat16*, const Norm&,
                            c10::BFloat16*, c10::BFloat16*, const Statistics&);
template void residual_norm_backward(Extent, const float*, const float*, const float*,
                                     const Statistics&, const float*, const RowMask&, float*,
                                     float*, const RowGradients&);
template void residual_norm_backward(Extent, const c10::BFloat16*, const c10::BFloat16*,
                                     const c10::BFloat16*, const Statistics&, const float*,
                                     const RowMask&, c10::BFloat16*, c10::BFloat16*,
                                     const RowGradients&);

}  // namespace bert::kernels
