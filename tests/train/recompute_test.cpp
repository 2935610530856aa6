// Activation checkpointing of one run, by itself.
#include "host/train/recompute.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>

#include <catch2/catch.hpp>
#include <stdexcept>

using namespace trainhost;
using namespace trainhost::train;

namespace {

at::Tensor leaf(at::Tensor values) {
  values.set_requires_grad(true);
  return values;
}

}  // namespace

TEST_CASE("a run that is made again has the gradients of one that was kept") {
  const at::Tensor weight = leaf(at::randn({4, 4}));
  const at::Tensor start = at::randn({3, 4});
  int runs = 0, with_graph = 0;
  const RunUnit unit = [&](const Tensors& inputs) {
    ++runs;
    with_graph += c10::GradMode::is_enabled() ? 1 : 0;
    return Tensors{at::matmul(inputs[0], weight).tanh()};
  };
  // The same weight twice: its gradient comes in two pieces.
  const auto gradients = [&](bool again) {
    weight.mutable_grad() = at::Tensor();
    const at::Tensor x = leaf(start.clone());
    Tensors once = again ? recomputed({x}, unit, unit) : unit({x});
    Tensors twice = again ? recomputed(once, unit, unit) : unit(once);
    twice[0].square().sum().backward();
    return Tensors{x.grad(), weight.grad().clone()};
  };
  const Tensors kept = gradients(false);
  CHECK(runs == 2);
  CHECK(with_graph == 2);
  const Tensors made_again = gradients(true);
  CHECK(runs == 6);
  CHECK(with_graph == 4);
  CHECK(at::equal(kept[0], made_again[0]));
  CHECK(at::equal(kept[1], made_again[1]));
}

TEST_CASE("outputs without a value, of whole numbers, and that nobody uses") {
  const at::Tensor weight = leaf(at::full({2}, 3.0));
  const RunUnit unit = [&](const Tensors& inputs) {
    return Tensors{at::Tensor(), at::arange(2), inputs[0] * weight, inputs[0] + weight, inputs[0]};
  };
  const Tensors out = recomputed({at::ones({2})}, unit, unit);
  REQUIRE(out.size() == 5);
  CHECK_FALSE(out[0].defined());
  CHECK(at::equal(out[1], at::arange(2)));
  CHECK_FALSE(out[1].requires_grad());
  // No input requires a gradient, and there is a backward all the same.
  REQUIRE(out[2].requires_grad());
  out[2].sum().backward();
  CHECK(at::equal(weight.grad(), at::ones({2})));
}

TEST_CASE("an input that is changed before backward is noticed") {
  const RunUnit unit = [](const Tensors& inputs) { return Tensors{inputs[0].square()}; };
  at::Tensor x = at::ones({2});
  const at::Tensor start = leaf(at::ones({2}));
  x = start * 2;
  const Tensors out = recomputed({x}, unit, unit);
  x.add_(1);
  CHECK_THROWS_WITH(out[0].sum().backward(), Catch::Contains("modified by an inplace operation"));
}

TEST_CASE("what the second run throws comes out of backward") {
  const RunUnit first = [](const Tensors& inputs) { return Tensors{inputs[0] * 2}; };
  const RunUnit second = [](const Tensors&) -> Tensors { throw std::runtime_error("not again"); };
  const Tensors out = recomputed({leaf(at::ones({2}))}, first, second);
  CHECK_THROWS_WITH(out[0].sum().backward(), "not again");
}
