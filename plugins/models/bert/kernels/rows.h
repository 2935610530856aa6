// The encoder's work between matrix products, row by row, each kernel in one pass over memory.
//
// T is float or c10::BFloat16: the type of activations in memory. Arithmetic, sums and statistics
// are float. Matrices are contiguous [rows, columns]. Sums over rows (the gradients of biases and
// of LayerNorm) go over blocks of rows whose bounds depend on the number of rows alone, so their
// bits do not depend on the threads.
#pragma once

#include <cstdint>
#include <vector>

#include "bert/dropout.h"

namespace bert::kernels {

/// Masks of a matrix whose rows are tokens.
struct RowMask {
  Mask mask;
  const std::uint64_t* keys = nullptr;  ///< [rows]: token_keys()
};

/// Parameters of a LayerNorm.
struct Norm {
  const float *weight, *bias;  ///< [columns]
  float epsilon;
};

/// Of each row, kept for backward: mean and 1 / deviation. Null: not kept.
struct Statistics {
  float *mean, *inverse;  ///< [rows]
};

struct Extent {
  std::ptrdiff_t rows, columns;
};

/// sum := dropout(sum + bias) + residual, in place, and y := LayerNorm(sum).
template <class T>
void residual_norm(Extent extent, const float* bias, const RowMask& mask, const T* residual,
                   const Norm& norm, T* sum, T* y, const Statistics& statistics);

/// The gradients of a row-wise step that sum over rows; each [columns], or null.
struct RowGradients {
  float *norm_weight, *norm_bias, *bias;
};

/// Backward of residual_norm: the gradient of y is first + second (null: none). Writes that of the
/// residual to d_sum and, where something is dropped, that of the product to d_product (null
/// otherwise: they are the same).
template <class T>
void residual_norm_backward(Extent extent, const T* first, const T* second, const T* sum,
                            const Statistics& statistics, const float* weight, const RowMask& mask,
                            T* d_sum, T* d_product, const RowGradients& gradients);

/// y := GELU(x + bias) (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016); y may be x.
template <class T>
void gelu(Extent extent, const T* x, const float* bias, T* y);

/// Backward of gelu: gradient := that of x, in place; y := GELU(x + bias) once more.
template <class T>
void gelu_backward(Extent extent, const T* x, const float* bias, T* gradient, T* y, float* d_bias);

/// out[c] := Σ_r x[r, c].
template <class T>
void column_sums(Extent extent, const T* x, float* out);

/// The tables of the embeddings, and which row of each makes a token.
struct Tables {
  const float *words, *positions, *types;    ///< [., columns]
  const std::int64_t *ids, *places, *kinds;  ///< [rows]; kinds null: all 0
};

/// y := dropout(LayerNorm(words[id] + positions[place] + types[kind])).
template <class T>
void embed(Extent extent, const Tables& tables, const Norm& norm, const RowMask& mask, T* y,
           const Statistics& statistics);

/// Backward of embed, up to the sum of the three tables' rows: d_sum [rows, columns].
template <class T>
void embed_backward(Extent extent, const Tables& tables, const T* gradient,
                    const Statistics& statistics, const float* weight, const RowMask& mask,
                    float* d_sum, const RowGradients& gradients);

/// table[rows[i]] += x[i] in the order of i; `rows` null: all to row 0.
void scatter_add(Extent extent, const float* x, const std::int64_t* rows, float* table);

}  // namespace bert::kernels
