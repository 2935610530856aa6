// Attention of packed sequences on the CPU: each sequence and head by itself, without padding.
//
// Vaswani et al., "Attention Is All You Need" (NIPS 2017), equation 1, with dropout of the weights.
// T is float or c10::BFloat16: the type in memory; arithmetic is float. The weights are never
// stored: backward computes them again from each row's maximum and sum (as in Dao et al.,
// "FlashAttention", 2022).
#pragma once

#include <cstdint>

#include "bert/dropout.h"
#include "bert/packed.h"

namespace bert::kernels {

struct Attention {
  const Sequences* sequences;
  std::ptrdiff_t heads, head_size;
  const float* bias;  ///< [3 · hidden]: added to qkv
  Mask mask;
  const std::uint64_t* keys;  ///< [tokens]: token_keys()

  std::ptrdiff_t hidden() const { return heads * head_size; }
};

/// context [tokens, hidden] of qkv [tokens, 3 · hidden] (query, key, value). `rows` keeps maximum
/// and 1 / sum of each token and head for backward: [tokens, heads, 2], or null.
template <class T>
void attend(const Attention& attention, const T* qkv, T* context, float* rows);

/// d_qkv [tokens, 3 · hidden] from d_context [tokens, hidden].
template <class T>
void attend_backward(const Attention& attention, const T* qkv, const float* rows,
                     const T* d_context, T* d_qkv);

}  // namespace bert::kernels
