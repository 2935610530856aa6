// What communicators check before they start, and how a vector is cut.
#include "cuda/operation.h"

#include <ATen/ops/zeros.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "trainhost/error.h"

using Catch::Matchers::Contains;
using namespace cuda;
using trainhost::ReduceOp;

namespace {

at::Tensor floats(std::int64_t count) { return at::zeros({count}, at::kFloat); }

}  // namespace

TEST_CASE("parts cover a vector, begin at multiples of 16, and differ by one block at most") {
  for (const std::int64_t count : {0, 1, 15, 16, 17, 100, 1000, 4096}) {
    for (const int world : {1, 2, 3, 4, 7}) {
      const auto parts = even_parts(count, world);
      REQUIRE(parts.size() == static_cast<std::size_t>(world));
      CHECK(std::accumulate(parts.begin(), parts.end(), std::int64_t{0}) == count);
      const auto offsets = offsets_of(parts);
      for (std::size_t r = 0; r < parts.size(); ++r) {
        CHECK(parts[r] >= 0);
        if (parts[r] > 0) CHECK(offsets[r] % 16 == 0);
        CHECK(parts[r] <= (count + 15) / 16 / world * 16 + 16);
      }
    }
  }
}

TEST_CASE("operations are named, and meet only their like") {
  const Checker checker("g", 0, 2, at::kCPU);
  const Description sum = checker.in_place(Kind::kAllReduce, floats(8), 0, ReduceOp::kSum);
  CHECK(sum.text() == "all_reduce (sum) of 8 Float");
  CHECK(checker.in_place(Kind::kBroadcast, floats(8), 1, ReduceOp::kSum).text() ==
        "broadcast of 8 Float, root 1");
  CHECK(Description{}.text() == "barrier");
  CHECK(sum.fits(sum));
  CHECK_FALSE(sum.fits(checker.in_place(Kind::kAllReduce, floats(9), 0, ReduceOp::kSum)));
  CHECK_FALSE(sum.fits(checker.in_place(Kind::kAllReduce, floats(8), 0, ReduceOp::kMax)));
  CHECK_FALSE(
      sum.fits(checker.in_place(Kind::kAllReduce, at::zeros({8}, at::kDouble), 0, ReduceOp::kSum)));
}

TEST_CASE("misuse is refused with what was expected") {
  const Checker checker("g", 1, 2, at::kCPU);
  const std::vector<std::int64_t> counts{3, 5}, negative{-1, 9}, three{1, 2, 5};
  const auto scatter = [&](const at::Tensor& output, const at::Tensor& input,
                           const std::vector<std::int64_t>& of) {
    return checker.reduce_scatter(output, input, of, ReduceOp::kSum);
  };
  CHECK(scatter(floats(5), floats(8), counts).count == 8);
  CHECK_THROWS_WITH(scatter(floats(3), floats(8), counts), Contains("5 elements"));
  CHECK_THROWS_WITH(scatter(floats(5), floats(7), counts), Contains("8 elements"));
  CHECK_THROWS_WITH(scatter(floats(9), floats(8), negative), Contains("a count is negative"));
  CHECK_THROWS_WITH(scatter(floats(2), floats(8), three), Contains("a count for each rank"));
  CHECK_THROWS_WITH(scatter(at::zeros({5}, at::kDouble), floats(8), counts),
                    Contains("differ in type"));
  CHECK_THROWS_WITH(checker.in_place(Kind::kReduce, floats(1), 2, ReduceOp::kSum),
                    Contains("no such root"));
  CHECK_THROWS_WITH(checker.in_place(Kind::kReduce, at::Tensor(), 0, ReduceOp::kSum),
                    Contains("data is no tensor"));
  CHECK_THROWS_WITH(checker.in_place(Kind::kReduce, at::zeros({4, 4}).t(), 0, ReduceOp::kSum),
                    Contains("not contiguous"));
  CHECK_THROWS_WITH(checker.in_place(Kind::kReduce, at::zeros({1}, at::kInt), 0, ReduceOp::kSum),
                    Contains("a type that is not served"));
  const Checker elsewhere("g", 0, 1, at::Device(at::kCUDA, 1));
  CHECK_THROWS_WITH(elsewhere.in_place(Kind::kReduce, floats(1), 0, ReduceOp::kSum),
                    Contains("expected: cuda:1") && Contains("got:      cpu"));
  CHECK_THROWS_AS(scatter(floats(3), floats(8), counts), trainhost::Error);
}
