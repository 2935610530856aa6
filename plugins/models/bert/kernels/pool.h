// Weighted sums over the tokens of each sequence.
#pragma once

#include <cstddef>

#include "bert/packed.h"

namespace bert::kernels {

/// out [n, columns]: Σ_t weights[t] · hidden[t] over the tokens of each sequence.
template <class T>
void pool(const Sequences& sequences, const float* weights, std::ptrdiff_t columns, const T* hidden,
          float* out);

/// d_hidden [tokens, columns] from the gradient [n, columns].
template <class T>
void pool_backward(const Sequences& sequences, const float* weights, std::ptrdiff_t columns,
                   const float* gradient, T* d_hidden);

}  // namespace bert::kernels
