#include "bert/pooling.h"

#include <ATen/ops/stack.h>

#include <cmath>

#include "encoder_support.h"

namespace {

using namespace bert;
using namespace bert::testing;

/// What sentence-transformers computes of one sequence's hidden states [length, hidden].
at::Tensor expected_of(const at::Tensor& x, Pooling pooling) {
  const auto length = static_cast<double>(x.size(0));
  switch (pooling) {
    case Pooling::kCls:
      return x[0];
    case Pooling::kLast:
      return x[x.size(0) - 1];
    case Pooling::kMax:
      return std::get<0>(x.max(0));
    case Pooling::kMean:
      return x.sum(0) / length;
    case Pooling::kMeanSqrtLen:
      return x.sum(0) / std::sqrt(length);
    default:
      break;
  }
  at::Tensor sum = x[0] * 0, weights = sum;
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    sum = sum + x[t] * static_cast<double>(t + 1);
    weights = weights + static_cast<double>(t + 1);
  }
  return sum / weights;
}

at::Tensor hidden_of(std::int64_t tokens, std::int64_t columns) {
  at::Tensor out = at::empty({tokens, columns}, at::TensorOptions(at::kFloat));
  auto cursor = trainhost::Random(2, "test.hidden").at(0, 0, 0);
  for (std::int64_t i = 0; i < out.numel(); ++i)
    out.data_ptr<float>()[i] = 2 * cursor.uniform() - 1;
  return out.requires_grad_(true);
}

}  // namespace

TEST_CASE("each pooling and its gradient is sentence-transformers' of each sequence alone") {
  const auto name =
      GENERATE("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken");
  const bool normalise = GENERATE(false, true);
  CAPTURE(name, normalise);
  const Pooling pooling = pooling_of(name, "test");
  CHECK(name_of(pooling) == name);
  const Packed packed = random_sequences({}, {3, 1, 8, 5});
  const at::Tensor hidden = hidden_of(17, 11), factors = hidden_of(4, 11).detach();
  const at::Tensor out = pool(hidden, packed, pooling, normalise);
  (out * factors).sum().backward();
  const at::Tensor gradient = hidden.grad().clone();
  hidden.mutable_grad() = at::Tensor();
  std::vector<at::Tensor> rows;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::int64_t first = packed.sequences->offsets[i];
    const at::Tensor row =
        expected_of(hidden.narrow(0, first, packed.sequences->offsets[i + 1] - first), pooling);
    rows.push_back(normalise ? row / row.norm() : row);
  }
  const at::Tensor expected = at::stack(rows);
  (expected * factors).sum().backward();
  CHECK(difference(out, expected) < 1e-6);
  CHECK(difference(gradient, hidden.grad()) < 1e-6);
}

TEST_CASE("no sequences are pooled to no rows, and gradients still flow") {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kMax}) {
    const Packed packed = random_sequences({}, {});
    const at::Tensor hidden = hidden_of(0, 6);
    const at::Tensor out = pool(hidden, packed, pooling, true);
    CHECK(out.sizes() == at::IntArrayRef({0, 6}));
    out.sum().backward();
    CHECK(hidden.grad().defined());
  }
}

TEST_CASE("hidden states in bf16 are pooled in fp32") {
  const Packed packed = random_sequences({}, {300, 2});
  const at::Tensor hidden = hidden_of(302, 8);
  const at::Tensor out = pool(hidden.to(at::kBFloat16), packed, Pooling::kMean, false);
  CHECK(out.scalar_type() == at::kFloat);
  CHECK(difference(out, pool(hidden.to(at::kBFloat16).to(at::kFloat), packed, Pooling::kMean,
                             false)) < 1e-6);
}

TEST_CASE("an unknown pooling is refused with the choices") {
  CHECK_THROWS_WITH(pooling_of("median", "1_Pooling/config.json"),
                    Catch::Contains("1_Pooling/config.json") && Catch::Contains("median") &&
                        Catch::Contains("weightedmean"));
}
