// SyncBatchNorm: against at::batch_norm on the whole batch, for any number of ranks.
#include "trainhost/sync_batch_norm.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <catch2/catch.hpp>

#include "rank_threads.h"
#include "trainhost/error.h"

namespace {

using namespace trainhost;
using namespace trainhost::testing;
using Catch::Matchers::Contains;

constexpr std::int64_t kChannels = 5, kRows = 11;

struct Case {
  std::vector<std::int64_t> shape;  // of all rows
  at::ScalarType dtype;
  double tolerance;
};

at::Tensor random(const std::vector<std::int64_t>& shape, at::ScalarType dtype,
                  std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions(at::kDouble)).to(dtype);
}

/// What a training step and an evaluation after it give, of all rows.
struct Outcome {
  at::Tensor values, input_gradient, weight_gradient, bias_gradient, mean, variance, evaluated;
};

struct Layer {
  ModelSpec model{.units = {{.name = "norm"}}};
  SyncBatchNorm norm;

  explicit Layer(at::ScalarType dtype = at::kDouble)
      : norm(model.units[0], 0, "batch", kChannels, {.dtype = dtype}) {
    const auto fill = [](std::uint64_t seed) {
      return [seed](at::Tensor& out) { out.copy_(random({kChannels}, at::kDouble, seed)); };
    };
    model.units[0].parameters[0].initialize = fill(11);
    model.units[0].parameters[1].initialize = fill(12);
  }
};

Outcome reference(const at::Tensor& x, const at::Tensor& seed) {
  const Layer layer(x.scalar_type());
  const WholeSession session(layer.model);
  Outcome out;
  const at::Tensor input = x.clone().requires_grad_(true);
  const at::Tensor weight = session.tensor("norm/batch.weight");
  const at::Tensor bias = session.tensor("norm/batch.bias");
  out.mean = session.tensor("norm/batch.running_mean");
  out.variance = session.tensor("norm/batch.running_var");
  out.values = at::batch_norm(input, weight, bias, out.mean, out.variance, true, 0.1, 1e-5, false);
  out.values.backward(seed);
  out.input_gradient = input.grad();
  out.weight_gradient = weight.grad();
  out.bias_gradient = bias.grad();
  out.evaluated =
      at::batch_norm(input, weight, bias, out.mean, out.variance, false, 0.1, 1e-5, false);
  return out;
}

Outcome on_world(int world, const at::Tensor& x, const at::Tensor& seed) {
  const Layer layer(x.scalar_type());
  const auto rows_of = uneven(x.size(0), world);
  std::vector<Outcome> of(static_cast<std::size_t>(world));
  const auto errors = on_ranks(world, layer.model, [&](const RankOfTest& at) {
    Outcome& out = of[at.rank];
    const at::Tensor input = part_of(x, rows_of, at.rank).requires_grad_(true);
    out.values = layer.norm.apply(input, rows_of, at.execution);
    at.execution.backward({out.values}, {part_of(seed, rows_of, at.rank)}, true);
    out.input_gradient = input.grad();
    out.weight_gradient = at.session.tensor("norm/batch.weight").grad();
    out.bias_gradient = at.session.tensor("norm/batch.bias").grad();
    out.mean = at.session.tensor("norm/batch.running_mean");
    out.variance = at.session.tensor("norm/batch.running_var");
    at.execution.begin_inference();
    const at::NoGradGuard no_graph;
    out.evaluated = layer.norm.apply(input, {}, at.execution);
  });
  for (const std::string& error : errors) REQUIRE(error.empty());
  Outcome all = of[0];
  for (std::size_t r = 1; r < of.size(); ++r) {
    CHECK(at::equal(of[r].mean, all.mean));
    CHECK(at::equal(of[r].variance, all.variance));
    all.values = at::cat({all.values, of[r].values});
    all.input_gradient = at::cat({all.input_gradient, of[r].input_gradient});
    all.evaluated = at::cat({all.evaluated, of[r].evaluated});
    all.weight_gradient = all.weight_gradient + of[r].weight_gradient;
    all.bias_gradient = all.bias_gradient + of[r].bias_gradient;
  }
  return all;
}

double distance(const at::Tensor& left, const at::Tensor& right) {
  REQUIRE(left.sizes() == right.sizes());
  return (left - right).abs().max().item().toDouble();
}

void check_equal(const Outcome& got, const Outcome& expected, double tolerance) {
  CHECK(distance(got.values, expected.values) < tolerance);
  CHECK(distance(got.input_gradient, expected.input_gradient) < tolerance);
  CHECK(distance(got.weight_gradient, expected.weight_gradient) < tolerance);
  CHECK(distance(got.bias_gradient, expected.bias_gradient) < tolerance);
  CHECK(distance(got.mean, expected.mean) < tolerance);
  CHECK(distance(got.variance, expected.variance) < tolerance);
  CHECK(distance(got.evaluated, expected.evaluated) < tolerance);
}

}  // namespace

TEST_CASE("batch normalisation over ranks is that of one process on all rows") {
  const Case each = GENERATE(Case{{kRows, kChannels}, at::kDouble, 1e-10},
                             Case{{kRows, kChannels, 3}, at::kDouble, 1e-10},
                             Case{{kRows, kChannels, 2, 3}, at::kDouble, 1e-10},
                             Case{{kRows, kChannels, 3}, at::kFloat, 1e-4});
  const int world = GENERATE(1, 2, 4);
  INFO(world << " ranks, " << each.shape.size() << " dimensions, " << toString(each.dtype));
  // Far from zero: sums of squares would lose the variance, and fp32 has steps of 8e-6.
  const at::Tensor x = random(each.shape, each.dtype, 1) * 2 + 100;
  const at::Tensor seed = random(each.shape, each.dtype, 2);
  check_equal(on_world(world, x, seed), reference(x, seed), each.tolerance);
}

TEST_CASE("a channel's 16-bit values are normalised with statistics of fp32") {
  const at::Tensor x = random({kRows, kChannels}, at::kBFloat16, 3);
  const at::Tensor wide = x.to(at::kFloat);
  const Outcome expected = reference(wide, wide);
  const Layer layer(at::kFloat);
  const std::vector<std::int64_t> rows_of{kRows};
  at::Tensor values;
  const auto errors = on_ranks(1, layer.model, [&](const RankOfTest& at) {
    values = layer.norm.apply(x, rows_of, at.execution);
  });
  REQUIRE(errors[0].empty());
  CHECK(values.scalar_type() == at::kBFloat16);
  CHECK(distance(values.to(at::kFloat), expected.values) < 0.02);
}

TEST_CASE("a pass without a graph leaves the running statistics alone") {
  const Layer layer;
  const std::vector<std::int64_t> rows_of{kRows};
  const at::Tensor x = random({kRows, kChannels}, at::kDouble, 4);
  double moved_without = -1, moved_with = -1;
  const auto errors = on_ranks(1, layer.model, [&](const RankOfTest& at) {
    const at::Tensor mean = at.session.tensor("norm/batch.running_mean");
    {
      const at::NoGradGuard no_graph;
      layer.norm.apply(x, rows_of, at.execution);
    }
    moved_without = mean.abs().sum().item().toDouble();
    layer.norm.apply(x, rows_of, at.execution);
    moved_with = mean.abs().sum().item().toDouble();
  });
  REQUIRE(errors[0].empty());
  CHECK(moved_without == 0);
  CHECK(moved_with > 0);
}

TEST_CASE("no rows anywhere: nothing moves and nothing is divided by zero") {
  const Layer layer;
  const std::vector<std::int64_t> rows_of{0, 0};
  std::vector<double> moved(2, -1);
  const auto errors = on_ranks(2, layer.model, [&](const RankOfTest& at) {
    const at::Tensor x = at::zeros({0, kChannels}, at::TensorOptions(at::kDouble));
    layer.norm.apply(x, rows_of, at.execution);
    moved[at.rank] = at.session.tensor("norm/batch.running_mean").abs().sum().item().toDouble();
  });
  for (const std::string& error : errors) REQUIRE(error.empty());
  CHECK(moved == std::vector<double>{0, 0});
}

TEST_CASE("batch normalisation: what does not fit is said") {
  const Layer layer;
  const auto refusal = [&](const at::Tensor& x, const std::vector<std::int64_t>& rows_of) {
    return on_ranks(1, layer.model,
                    [&](const RankOfTest& at) { layer.norm.apply(x, rows_of, at.execution); })[0];
  };
  const auto zeros = [](const std::vector<std::int64_t>& shape) {
    return at::zeros(shape, at::TensorOptions(at::kDouble));
  };
  CHECK_THAT(refusal(zeros({4, 3}), {4}), Contains("norm/batch") && Contains("[n, 5, …]"));
  CHECK_THAT(refusal(zeros({5}), {5}), Contains("does not fit"));
  CHECK_THAT(refusal(zeros({4, 5}).to(at::kLong), {4}), Contains("Long [4, 5]"));
  CHECK_THAT(refusal(zeros({4, 5}), {3}), Contains("as counted"));
  CHECK_THAT(refusal(zeros({4, 5}), {2, 2}), Contains("counts of 2 ranks"));
  CHECK_THAT(refusal(zeros({1, 5}), {1}), Contains("no variance") && Contains("fix:"));
}
