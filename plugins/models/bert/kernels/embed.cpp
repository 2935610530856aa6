#include "bert/kernels/blocks.h"
#include "bert/kernels/row_steps.h"

namespace bert::kernels {
namespace {

/// A token's sum of rows, before it is normalised: [padded(columns)].
template <class Isa>
SIMD_INLINE void gather(const Tables& tables, std::ptrdiff_t row, std::ptrdiff_t columns,
                        float* sum, float* part) {
  load_row<Isa>(tables.words + tables.ids[row] * columns, columns, sum);
  const std::int64_t kind = tables.kinds == nullptr ? 0 : tables.kinds[row];
  for (const float* from :
       {tables.types + kind * columns, tables.positions + tables.places[row] * columns}) {
    load_row<Isa>(from, columns, part);
    for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
      store<Isa>(sum + c, load<Isa>(sum + c) + load<Isa>(part + c));
    }
  }
}

template <class Isa>
SIMD_INLINE void drop(const RowMask& mask, std::ptrdiff_t row, std::ptrdiff_t columns, float* x,
                      std::uint16_t* numbers) {
  if (!mask.mask.any()) return;
  mask_numbers<Isa>(mask, row, columns, numbers);
  for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
    store<Isa>(x + c, load<Isa>(x + c) * kept<Isa>(numbers + c, mask.mask));
  }
}

struct RowMemory {
  explicit RowMemory(std::ptrdiff_t columns)
      : sum(static_cast<std::size_t>(padded(columns))), part(sum.size()), numbers(sum.size()) {}
  std::vector<float> sum, part;
  std::vector<std::uint16_t> numbers;
};

template <class T>
struct Pass {
  Extent extent;
  const Tables& tables;
  std::vector<float> weight, bias;
  float epsilon;
  RowMask mask;
  T* y;               // forward
  const T* gradient;  // backward
  float* d_sum;
  Statistics statistics;
};

struct ForwardBlock {
  template <class Isa, class T>
  SIMD_INLINE void run(const Pass<T>* pass, std::ptrdiff_t block, RowMemory* memory) {
    const std::ptrdiff_t columns = pass->extent.columns;
    const std::ptrdiff_t end = std::min(pass->extent.rows, (block + 1) * kBlockRows);
    float* x = memory->sum.data();
    for (std::ptrdiff_t row = block * kBlockRows; row < end; ++row) {
      gather<Isa>(pass->tables, row, columns, x, memory->part.data());
      float mean = 0, inverse = 0;
      moments<Isa>(x, columns, pass->epsilon, mean, inverse);
      if (pass->statistics.mean != nullptr) {
        pass->statistics.mean[row] = mean;
        pass->statistics.inverse[row] = inverse;
      }
      normalise_row<Isa>(x, columns, mean, inverse, pass->weight.data(), pass->bias.data());
      drop<Isa>(pass->mask, row, columns, x, memory->numbers.data());
      store_row<Isa>(x, columns, pass->y + row * columns);
    }
  }
};

enum Sum { kWeight, kBias, kSums };

struct BackwardBlock {
  template <class Isa, class T>
  SIMD_INLINE void run(const Pass<T>* pass, std::ptrdiff_t block, PartialSums* sums,
                       RowMemory* memory) {
    const std::ptrdiff_t columns = pass->extent.columns;
    const std::ptrdiff_t end = std::min(pass->extent.rows, (block + 1) * kBlockRows);
    float *x = memory->sum.data(), *gradient = memory->part.data();
    for (std::ptrdiff_t row = block * kBlockRows; row < end; ++row) {
      gather<Isa>(pass->tables, row, columns, x, gradient);
      load_row<Isa>(pass->gradient + row * columns, columns, gradient);
      drop<Isa>(pass->mask, row, columns, gradient, memory->numbers.data());
      normalise_row_backward<Isa>(x, columns, pass->statistics.mean[row],
                                  pass->statistics.inverse[row], pass->weight.data(), gradient,
                                  sums->of(block, kWeight), sums->of(block, kBias));
      store_row<Isa>(gradient, columns, pass->d_sum + row * columns);
    }
  }
};

}  // namespace

template <class T>
void embed(Extent extent, const Tables& tables, const Norm& norm, const RowMask& mask, T* y,
           const Statistics& statistics) {
  const Pass<T> pass{extent,
                     tables,
                     padded_row(norm.weight, extent.columns),
                     padded_row(norm.bias, extent.columns),
                     norm.epsilon,
                     mask,
                     y,
                     nullptr,
                     nullptr,
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
void embed_backward(Extent extent, const Tables& tables, const T* gradient,
                    const Statistics& statistics, const float* weight, const RowMask& mask,
                    float* d_sum, const RowGradients& gradients) {
  const Pass<T> pass{
      extent, tables,    padded_row(weight, extent.columns), {}, 0, mask, nullptr, gradient,
      d_sum,  statistics};
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
  sums.add_up(kBias, extent.columns, gradients.norm_bias);
}

/// Each thread adds all rows, in their order, to a range of columns of its own.
void scatter_add(Extent extent, const float* x, const std::int64_t* rows, float* table) {
  constexpr std::ptrdiff_t kColumns = 64;
#pragma omp parallel for
  for (std::ptrdiff_t first = 0; first < extent.columns; first += kColumns) {
    const std::ptrdiff_t last = std::min(extent.columns, first + kColumns);
    for (std::ptrdiff_t row = 0; row < extent.rows; ++row) {
      float* to = table + (rows == nullptr ? 0 : rows[row]) * extent.columns;
      const float* from = x + row * extent.columns;
      for (std::ptrdiff_t c = first; c < last; ++c) to[c] += from[c];
    }
  }
}

template void embed(Extent, const Tables&, const Norm&, const RowMask&, float*, const Statistics&);
template void embed(Extent, const Tables&, const Norm&, const RowMask&, c10::BFloat16*,
                    const Statistics&);
template void embed_backward(Extent, const Tables&, const float*, const Statistics&, const float*,
                             const RowMask&, float*, const RowGradients&);
template void embed_backward(Extent, const Tables&, const c10::BFloat16*, const Statistics&,
                             const float*, const RowMask&, float*, const RowGradients&);

}  // namespace bert::kernels
