#include "dropout.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>

#include <algorithm>
#include <cmath>

namespace transformer {
namespace {

constexpr std::int64_t kNumbers = 8;  // of 16 bits in a block

/// Number c of a block: even ones are the low halves of its words, odd ones the high halves.
std::uint32_t number(const trainhost::Random::Block& block, std::int64_t c) {
  return block[static_cast<std::size_t>(c / 2)] >> (16 * (c % 2)) & 0xFFFFU;
}

}  // namespace

at::Tensor Dropout::apply(const at::Tensor& x, int site) const {
  const auto threshold = static_cast<std::uint32_t>(std::lround(rate * 65536.0));
  if (threshold == 0) return x;
  const float kept = 65536.0F / static_cast<float>(65536U - threshold);
  const std::int64_t rows = x.size(0), columns = x.size(1);
  const at::Tensor mask = at::empty({rows, columns}, at::TensorOptions(at::kFloat));
  float* out = mask.mutable_data_ptr<float>();
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t begin = 0; begin < columns; begin += kNumbers) {
      const auto block = random.block(step, static_cast<std::uint16_t>(first_site + site),
                                      first + static_cast<std::uint64_t>(r),
                                      static_cast<std::uint32_t>(begin / kNumbers));
      const std::int64_t count = std::min(kNumbers, columns - begin);
      for (std::int64_t c = 0; c < count; ++c) {
        *out++ = number(block, c) < threshold ? 0.0F : kept;
      }
    }
  }
  return at::mul(x, mask.to(x.device()));
}

}  // namespace transformer
