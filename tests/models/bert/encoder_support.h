// What the encoder's tests share.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <catch2/catch.hpp>

#include "alone.h"

namespace bert::testing {

/// The largest difference, relative to the largest value of `right`.
inline double difference(const at::Tensor& left, const at::Tensor& right) {
  if (left.numel() == 0 && right.numel() == 0) return 0;
  const at::Tensor l = left.detach().to(at::kDouble), r = right.detach().to(at::kDouble);
  const double scale = r.abs().max().item<double>();
  const double distance = (l - r).abs().max().item<double>();
  return scale > 0 ? distance / scale : distance;
}

}  // namespace bert::testing
