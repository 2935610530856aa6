// Sums in the order of ranks.
#include "cuda/rank_order.h"

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <catch2/catch.hpp>

using namespace cuda;
using trainhost::ReduceOp;

TEST_CASE("the first rank comes first, the last one last") {
  // (1e8 + -1e8) + 1 is 1, 1e8 + (-1e8 + 1) is 0 in float32.
  const std::vector<at::Tensor> parts{at::full({4}, 1e8F), at::full({4}, -1e8F),
                                      at::full({4}, 1.0F)};
  CHECK(reduce_in_rank_order(parts, ReduceOp::kSum)[0].item<float>() == 1.0F);
  CHECK(parts[0][0].item<float>() == 1e8F);  // the parts are left alone
}

TEST_CASE("16-bit sums are made in 32 bits and rounded once") {
  for (const auto type : {at::kHalf, at::kBFloat16}) {
    // 1 + ε/2 + ε/2 rounds to 1 when each step is rounded, to 1 + ε when once.
    const double half = type == at::kHalf ? 0x1p-11 : 0x1p-8;
    const std::vector<at::Tensor> parts{at::full({1}, 1.0, type), at::full({1}, half, type),
                                        at::full({1}, half, type)};
    const at::Tensor sum = reduce_in_rank_order(parts, ReduceOp::kSum);
    CHECK(sum.scalar_type() == type);
    CHECK(sum.item<float>() == Approx(1 + 2 * half).epsilon(0));
  }
}

TEST_CASE("least and largest, and whole numbers") {
  const std::vector<at::Tensor> parts{at::tensor({1.0F, 5.0F}), at::tensor({3.0F, 2.0F})};
  CHECK(reduce_in_rank_order(parts, ReduceOp::kMin).equal(at::tensor({1.0F, 2.0F})));
  CHECK(reduce_in_rank_order(parts, ReduceOp::kMax).equal(at::tensor({3.0F, 5.0F})));
  const std::vector<at::Tensor> longs{at::full({1}, std::int64_t{1} << 60, at::kLong),
                                      at::full({1}, 1, at::kLong)};
  CHECK(reduce_in_rank_order(longs, ReduceOp::kSum).item<std::int64_t>() ==
        (std::int64_t{1} << 60) + 1);
}
