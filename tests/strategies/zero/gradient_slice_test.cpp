// Any run of a gradient, dense or as rows.
#include "zero/gradient_slice.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sparse_coo_tensor.h>
#include <ATen/ops/tensor.h>

#include <catch2/catch.hpp>

using namespace zero;

TEST_CASE("every run of a gradient is what the whole has there") {
  // 7 rows of 5: row 4 comes twice, and rows 0, 2 and 6 not at all.
  const at::Tensor index = at::tensor({4, 1, 4, 3, 5}, at::kLong).view({1, 5});
  const at::Tensor rows = at::arange(1, 26, at::kFloat).view({5, 5});
  const at::Tensor sparse = at::sparse_coo_tensor(index, rows, {7, 5});
  const at::Tensor dense = sparse.to_dense();
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  for (std::int64_t begin = 0; begin < 35; ++begin) {
    for (std::int64_t end = begin + 1; end <= 35; ++end) {
      const at::Tensor wanted = dense.view({-1}).narrow(0, begin, end - begin).to(type);
      for (const at::Tensor& gradient : {dense, sparse}) {
        const at::Tensor out = at::full({end - begin}, 7, type);
        copy_slice(gradient, begin, out);
        INFO(begin << " to " << end << (gradient.is_sparse() ? ", rows" : ", dense"));
        REQUIRE(at::equal(out, wanted));
      }
    }
  }
}
