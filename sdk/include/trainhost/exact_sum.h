// ExactSum: a sum of doubles that does not depend on the order or the grouping of its terms.
//
// Purpose: the norm of a gradient that is spread over ranks. Rounded sums differ with the cut; this
// one is kept as the digits of one wide fixed-point number, which ranks add element by element, so
// every world and every strategy gets the same bits (the idea of Kulisch's accumulator: Kulisch,
// "Computer Arithmetic and Validity", 2008). Units: digits in base 2^32, the lowest worth 2^-1152.
// Threads and ranks: a value; one thread at a time. Limits: terms are not negative, and at most
// 2^30 of them are added on all ranks together.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace trainhost {

class ExactSum {
 public:
  void add(double term) {
    if (!std::isfinite(term)) {
      ++digits_[kNotFinite];
      return;
    }
    if (term == 0) return;
    int exponent = 0;
    const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(term, &exponent), 53));
    const int position = exponent - 53 + kLowest;
    const int digit = position / 32, shift = position % 32;
    const std::uint64_t low = (mantissa & 0xffffffffU) << shift, high = (mantissa >> 32) << shift;
    digits_[digit] += static_cast<std::int64_t>(low & 0xffffffffU);
    digits_[digit + 1] += static_cast<std::int64_t>((low >> 32) + (high & 0xffffffffU));
    digits_[digit + 2] += static_cast<std::int64_t>(high >> 32);
  }

  /// To be summed over ranks, element by element.
  std::span<std::int64_t> digits() { return digits_; }
  static constexpr int size() { return kSize; }

  /// NaN if a term was not finite.
  double value() const {
    if (digits_[kNotFinite] != 0) return std::numeric_limits<double>::quiet_NaN();
    std::array<std::uint64_t, kSize + 1> carried{};
    for (int d = 0; d < kNotFinite; ++d) {
      carried[d] += static_cast<std::uint64_t>(digits_[d]);
      carried[d + 1] += carried[d] >> 32;
      carried[d] &= 0xffffffffU;
    }
    // The digits are those of one number now, so any fixed way to round them will do.
    double sum = 0;
    for (int d = kNotFinite; d >= 0; --d) {
      if (carried[d] != 0) sum += std::ldexp(static_cast<double>(carried[d]), 32 * d - kLowest);
    }
    return sum;
  }

 private:
  static constexpr int kLowest = 1152, kNotFinite = 70, kSize = 71;
  std::array<std::int64_t, kSize> digits_{};
};

}  // namespace trainhost
