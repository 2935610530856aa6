// Stage 3 through a step of three units, with real backwards.
#include "zero/session.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "bench.h"

using namespace zero::test;

namespace {

/// Parameters travel in a group of their own.
class Passing : public NotedCommunicator {
 public:
  explicit Passing(NotedCommunicator& noted) : NotedCommunicator(noted.world()), noted_(noted) {}
  WorkHandle all_gather(at::Tensor output, at::Tensor input, std::span<const std::int64_t> counts,
                        Traffic tag) override {
    return noted_.all_gather(std::move(output), std::move(input), counts, tag);
  }

 private:
  NotedCommunicator& noted_;
};

struct Step : Bench {
  std::unique_ptr<StrategySession> session;

  explicit Step(bool prefetch, bool offload = false) {
    for (UnitSpec& unit : model.units) {
      unit.parameters[0].initialize = [](at::Tensor& out) { out.fill_(2); };
    }
    context.make_communicator = [this](const std::string&) {
      return std::make_unique<Passing>(communicator);
    };
    session = zero::make_session(context, {.stage = 3,
                                           .prefetch = prefetch,
                                           .offload_optimizer = offload,
                                           .offload_parameters = offload});
    communicator.log.clear();
  }

  at::Tensor run(int unit, const at::Tensor& x, Pass pass) {
    const StrategySession::Lent lent = session->before_unit(unit, pass);
    communicator.log.emplace_back("run");
    return session->after_unit(unit, {x * lent.parameters[0]}, pass)[0];
  }
  /// The events of a forward.
  Log forward() {
    communicator.log.clear();
    session->begin_step(0, 1);
    x = at::ones({kCount});
    for (int unit = 0; unit < 3; ++unit) x = run(unit, x, Pass::kGraph);
    return communicator.log;
  }
  /// And of its backward.
  Log backward() {
    communicator.log.clear();
    session->before_backward(Backward::kLastOfStep);
    torch::autograd::backward({x.sum()}, {});
    session->after_backward(Backward::kLastOfStep);
    return communicator.log;
  }
  void update() { session->step({.objective = 0, .divisor = 1, .lr = 1}); }
  /// What a unit multiplies by.
  float factor(int unit) {
    c10::NoGradGuard no_grad;
    const at::Tensor y = run(unit, at::ones({kCount}), Pass::kNoGraph);
    CHECK(y.min().item<float>() == y.max().item<float>());
    return y.max().item<float>();
  }

 private:
  at::Tensor x;
};

auto gathers(const Log& log) { return std::ranges::count(log, "gather"); }

}  // namespace

TEST_CASE("each unit is gathered for forward and for backward, and no more often with prefetch") {
  const bool prefetch = GENERATE(false, true);
  const bool offload = GENERATE(false, true);
  Step bench(prefetch, offload);
  float factor = 2;
  for (int i = 0; i < 3; ++i) {
    CHECK(gathers(bench.forward()) == 3);
    CHECK(gathers(bench.backward()) == 3);
    bench.update();
    factor -= factor * factor;  // the gradient of each is the product of the others
    for (int unit = 0; unit < 3; ++unit) CHECK(bench.factor(unit) == factor);
  }
}

TEST_CASE("with prefetch the next gather begins before the present unit runs") {
  const Log plain{"gather", "wait", "run", "gather", "wait", "run", "gather", "wait", "run"};
  const Log ahead{"gather", "wait", "gather", "run", "wait", "gather", "run", "wait", "run"};
  Step without(false), with(true);
  for (int i = 0; i < 2; ++i) {
    CHECK(without.forward() == plain);
    without.backward();
    without.update();
    CHECK(with.forward() == (i == 0 ? plain : ahead));
    with.backward();
    with.update();
  }
}

TEST_CASE("what was gathered ahead does not outlive an update") {
  Step bench(true);
  bench.forward();
  bench.backward();
  bench.update();
  bench.forward();
  bench.backward();
  // As a model might look at itself: the third unit is foreseen, and is on its way.
  CHECK(bench.factor(0) == -2);
  CHECK(bench.factor(1) == -2);
  bench.update();
  CHECK(bench.factor(2) == -6);
}
