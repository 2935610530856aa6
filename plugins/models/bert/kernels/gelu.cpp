#include "bert/kernels/blocks.h"
#include "bert/kernels/rows.h"

namespace bert::kernels {
namespace {

struct ForwardBlock {
  template <class Isa, class T>
  SIMD_INLINE void run(Extent extent, const T* x, const float* bias, T* y, std::ptrdiff_t block,
                       float* memory) {
    const std::ptrdiff_t end = std::min(extent.rows, (block + 1) * kBlockRows);
    for (std::ptrdiff_t row = block * kBlockRows; row < end; ++row) {
      const std::ptrdiff_t at = row * extent.columns;
      load_row<Isa>(x + at, extent.columns, memory);
      for (std::ptrdiff_t c = 0; c < extent.columns; c += Isa::kLanes) {
        const auto value = load<Isa>(memory + c) + load<Isa>(bias + c);
        store<Isa>(memory + c, value * normal_of<Isa>(value).cumulated);
      }
      store_row<Isa>(memory, extent.columns, y + at);
    }
  }
};

struct BackwardBlock {
  template <class Isa, class T>
  SIMD_INLINE void run(Extent extent, const T* x, const float* bias, T* gradient, T* y,
                       std::ptrdiff_t block, float* d_bias, float* memory) {
    const std::ptrdiff_t columns = extent.columns;
    float *values = memory, *gradients = memory + padded(columns);
    const std::ptrdiff_t end = std::min(extent.rows, (block + 1) * kBlockRows);
    for (std::ptrdiff_t row = block * kBlockRows; row < end; ++row) {
      const std::ptrdiff_t at = row * columns;
      load_row<Isa>(x + at, columns, values);
      load_row<Isa>(gradient + at, columns, gradients);
      for (std::ptrdiff_t c = 0; c < columns; c += Isa::kLanes) {
        const auto value = load<Isa>(values + c) + load<Isa>(bias + c);
        const Normal<Isa> normal = normal_of<Isa>(value);
        const auto dx = load<Isa>(gradients + c) * (normal.cumulated + value * normal.density);
        store<Isa>(values + c, value * normal.cumulated);
        store<Isa>(gradients + c, dx);
        store<Isa>(d_bias + c, load<Isa>(d_bias + c) + dx);
      }
      store_row<Isa>(values, columns, y + at);
      store_row<Isa>(gradients, columns, gradient + at);
    }
  }
};

struct ColumnBlock {
  template <class Isa, class T>
  SIMD_INLINE void run(Extent extent, const T* x, std::ptrdiff_t block, float* sums,
                       float* memory) {
    const std::ptrdiff_t end = std::min(extent.rows, (block + 1) * kBlockRows);
    for (std::ptrdiff_t row = block * kBlockRows; row < end; ++row) {
      load_row<Isa>(x + row * extent.columns, extent.columns, memory);
      for (std::ptrdiff_t c = 0; c < extent.columns; c += Isa::kLanes) {
        store<Isa>(sums + c, load<Isa>(sums + c) + load<Isa>(memory + c));
      }
    }
  }
};

std::vector<float> row_memory(std::ptrdiff_t columns, int rows) {
  return std::vector<float>(static_cast<std::size_t>(rows * padded(columns)));
}

}  // namespace

template <class T>
void gelu(Extent extent, const T* x, const float* bias, T* y) {
  const std::vector<float> shift = padded_row(bias, extent.columns);
#pragma omp parallel
  {
    std::vector<float> memory = row_memory(extent.columns, 1);
#pragma omp for
    for (std::ptrdiff_t block = 0; block < blocks_of(extent.rows); ++block) {
      dispatch<ForwardBlock>(extent, x, shift.data(), y, block, memory.data());
    }
  }
}

template <class T>
void gelu_backward(Extent extent, const T* x, const float* bias, T* gradient, T* y, float* d_bias) {
  const std::vector<float> shift = padded_row(bias, extent.columns);
  PartialSums sums(extent.rows, extent.columns, 1);
#pragma omp parallel
  {
    std::vector<float> memory = row_memory(extent.columns, 2);
#pragma omp for
    for (std::ptrdiff_t block = 0; block < blocks_of(extent.rows); ++block) {
      dispatch<BackwardBlock>(extent, x, shift.data(), gradient, y, block, sums.of(block, 0),
                              memory.data());
    }
  }
  sums.add_up(0, extent.columns, d_bias);
}

template <class T>
void column_sums(Extent extent, const T* x, float* out) {
  PartialSums sums(extent.rows, extent.columns, 1);
#pragma omp parallel
  {
    std::vector<float> memory = row_memory(extent.columns, 1);
#pragma omp for
    for (std::ptrdiff_t block = 0; block < blocks_of(extent.rows); ++block) {
      dispatch<ColumnBlock>(extent, x, block, sums.of(block, 0), memory.data());
    }
  }
  sums.add_up(0, extent.columns, out);
}

template void gelu(Extent, const float*, const float*, float*);
template void gelu(Extent, const c10::BFloat16*, const float*, c10::BFloat16*);
template void gelu_backward(Extent, const float*, const float*, float*, float*, float*);
template void gelu_backward(Extent, const c10::BFloat16*, const float*, c10::BFloat16*,
                            c10::BFloat16*, float*);
template void column_sums(Extent, const float*, float*);
template void column_sums(Extent, const c10::BFloat16*, float*);

}  // namespace bert::kernels
