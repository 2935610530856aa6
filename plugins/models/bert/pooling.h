// From the hidden states of a sequence's tokens to one vector.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "bert/packed.h"

namespace bert {

/// As sentence-transformers' Pooling has them.
enum class Pooling {
  kCls,           ///< "cls": the first token
  kMax,           ///< "max"
  kMean,          ///< "mean"
  kMeanSqrtLen,   ///< "mean_sqrt_len_tokens": the sum divided by √length
  kWeightedMean,  ///< "weightedmean": position i (from 1) weighs i
  kLast,          ///< "lasttoken"
};

/// By sentence-transformers' name. Errors: Error (Failure::kUser) that names `where` and the
/// choices.
Pooling pooling_of(const std::string& name, const std::string& where);
std::string name_of(Pooling pooling);

/// fp32 [n, hidden] of hidden [tokens, hidden], differentiable. `normalise`: rows of length 1.
at::Tensor pool(const at::Tensor& hidden, const Packed& packed, Pooling pooling, bool normalise);

}  // namespace bert
