// What the collectives must give, computed one element at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstdint>
#include <type_traits>

#include "trainhost/communicator.h"

namespace reference {

/// A value that looks random and whose sums depend on their order.
template <class T>
T value(int rank, std::int64_t index) {
  std::uint64_t bits = static_cast<std::uint64_t>(index) * 0x9e3779b97f4a7c15u +
                       static_cast<std::uint64_t>(rank + 1) * 0xd1b54a32d192ed03u;
  bits = (bits ^ (bits >> 29)) * 0xbf58476d1ce4e5b9u;
  bits ^= bits >> 32;
  if constexpr (std::is_integral_v<T>) return static_cast<T>(bits);
  const double unit = static_cast<double>(bits >> 11) * 0x1p-53 - 0.5;
  return static_cast<T>(static_cast<float>(unit * static_cast<double>(1 << (bits % 7))));
}

template <class T>
constexpr bool kIsShort = std::is_same_v<T, c10::BFloat16> || std::is_same_v<T, c10::Half>;

template <class T>
using Accumulator = std::conditional_t<kIsShort<T>, float, T>;

template <class A>
A combine(A a, A b, trainhost::ReduceOp op) {
  switch (op) {
    case trainhost::ReduceOp::kMin:
      return a < b ? a : b;
    case trainhost::ReduceOp::kMax:
      return a > b ? a : b;
    case trainhost::ReduceOp::kSum:
      break;
  }
  if constexpr (std::is_integral_v<A>) {
    return static_cast<A>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  } else {
    return a + b;
  }
}

/// ((r0 + r1) + r2) + … at one index, rounded once.
template <class T>
T reduced(int world, std::int64_t index, trainhost::ReduceOp op) {
  auto sum = static_cast<Accumulator<T>>(value<T>(0, index));
  for (int r = 1; r < world; ++r) {
    sum = combine(sum, static_cast<Accumulator<T>>(value<T>(r, index)), op);
  }
  return static_cast<T>(sum);
}

}  // namespace reference
