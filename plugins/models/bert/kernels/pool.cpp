#include "bert/kernels/pool.h"

#include <c10/util/BFloat16.h>

#include <algorithm>

namespace bert::kernels {

template <class T>
void pool(const Sequences& sequences, const float* weights, std::ptrdiff_t columns, const T* hidden,
          float* out) {
#pragma omp parallel for
  for (std::ptrdiff_t i = 0; i < sequences.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    float* to = out + i * columns;
    std::fill_n(to, columns, 0.0F);
    for (std::ptrdiff_t t = sequences.offsets[at]; t < sequences.offsets[at + 1]; ++t) {
      const T* from = hidden + t * columns;
      for (std::ptrdiff_t c = 0; c < columns; ++c)
        to[c] += weights[t] * static_cast<float>(from[c]);
    }
  }
}

template <class T>
void pool_backward(const Sequences& sequences, const float* weights, std::ptrdiff_t columns,
                   const float* gradient, T* d_hidden) {
#pragma omp parallel for
  for (std::ptrdiff_t i = 0; i < sequences.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float* from = gradient + i * columns;
    for (std::ptrdiff_t t = sequences.offsets[at]; t < sequences.offsets[at + 1]; ++t) {
      T* to = d_hidden + t * columns;
      for (std::ptrdiff_t c = 0; c < columns; ++c) to[c] = static_cast<T>(weights[t] * from[c]);
    }
  }
}

template void pool(const Sequences&, const float*, std::ptrdiff_t, const float*, float*);
template void pool(const Sequences&, const float*, std::ptrdiff_t, const c10::BFloat16*, float*);
template void pool_backward(const Sequences&, const float*, std::ptrdiff_t, const float*, float*);
template void pool_backward(const Sequences&, const float*, std::ptrdiff_t, const float*,
                            c10::BFloat16*);

}  // namespace bert::kernels
