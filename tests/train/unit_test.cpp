// The trainer's parts by themselves: optimizers, schedules, the loader.
#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <thread>

#include "host/checkpoint/loss_scale.h"
#include "host/train/economies.h"
#include "host/train/exceptions.h"
#include "host/train/job.h"
#include "host/train/model_check.h"
#include "host/train/optimizers.h"
#include "host/train/prefetcher.h"
#include "host/train/schedule.h"
#include "host/train/state_hash.h"
#include "trainhost/error.h"
#include "trainhost/exact_sum.h"

namespace {

using namespace trainhost;
using namespace trainhost::train;
using Catch::Matchers::Contains;

recipe::OptimizerPlan plan_of(const std::string& name) {
  recipe::OptimizerPlan plan;
  plan.name = name;
  plan.weight_decay = 0.1;
  return plan;
}

struct Piece {
  at::Tensor value, gradient;
  Tensors states;
  std::string name = "p";
};

Piece piece(const Optimizer& optimizer, const at::Tensor& value, const at::Tensor& gradient) {
  Piece out{value.clone(), gradient.clone(), {}};
  for (std::size_t s = 0; s < optimizer.states().size(); ++s) {
    out.states.push_back(at::zeros_like(out.value));
  }
  return out;
}

ParameterSlice slice_of(Piece& piece, std::int64_t offset, std::int64_t step) {
  return {&piece.name, offset, piece.value, piece.gradient, &piece.states, -1, step};
}

}  // namespace

TEST_CASE("a slice cut at the granularity is updated to the bits of the whole") {
  const std::string name = GENERATE("adam", "adamw", "sgd");
  // Random values, and many of them: the rounding that tells the two apart is rare.
  const int round = GENERATE(range(0, 30));
  const auto optimizer = make_optimizer(plan_of(name), {});
  const at::Tensor value = at::randn({1003}), gradient = at::randn({1003});
  Piece whole = piece(*optimizer, value, gradient);
  std::vector<Piece> parts;
  const std::int64_t unit = Optimizer::kSliceGranularity;
  const std::vector<std::int64_t> cuts{0, unit, 8 * unit, 9 * unit, 44 * unit, 1003};
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    parts.push_back(piece(*optimizer, value.slice(0, cuts[i], cuts[i + 1]),
                          gradient.slice(0, cuts[i], cuts[i + 1])));
  }
  for (std::int64_t step = 1; step <= 3; ++step) {
    whole.gradient.copy_(gradient);
    std::vector<ParameterSlice> all{slice_of(whole, 0, step)};
    optimizer->step(all, 0.01, 7.0);
    std::vector<ParameterSlice> slices;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i].gradient.copy_(gradient.slice(0, cuts[i], cuts[i + 1]));
      slices.push_back(slice_of(parts[i], cuts[i], step));
    }
    optimizer->step(slices, 0.01, 7.0);
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    INFO(name << ", round " << round << ", elements " << cuts[i] << " to " << cuts[i + 1]);
    CHECK(at::equal(parts[i].value, whole.value.slice(0, cuts[i], cuts[i + 1])));
  }
}

TEST_CASE("Adam is the paper's update of the divided gradient") {
  recipe::OptimizerPlan plan = plan_of("adam");
  plan.weight_decay = 0;
  const auto optimizer = make_optimizer(plan, {});
  const at::Tensor value = at::randn({17}), gradient = at::randn({17});
  Piece one = piece(*optimizer, value, gradient);
  std::vector<ParameterSlice> slices{slice_of(one, 0, 1)};
  optimizer->step(slices, 0.1, 4.0);
  // Kingma and Ba 2015, algorithm 1: at the first step both corrections cancel the decay.
  const at::Tensor g = gradient / 4.0;
  CHECK(at::allclose(one.value, value - 0.1 * g / (g.abs() + 1e-8), 1e-5, 1e-6));
}

TEST_CASE("a group has its own decay and rate") {
  const auto optimizer = make_optimizer(plan_of("sgd"), {{"still", 0, 0}, {"bare", 1, 0}});
  const at::Tensor value = at::randn({8});
  Piece still = piece(*optimizer, value, at::randn({8}));
  Piece bare = piece(*optimizer, value, at::zeros_like(value));
  Piece decayed = piece(*optimizer, value, at::zeros_like(value));
  std::vector<ParameterSlice> slices{slice_of(still, 0, 1), slice_of(bare, 0, 1),
                                     slice_of(decayed, 0, 1)};
  slices[0].group = 0;
  slices[1].group = 1;
  optimizer->step(slices, 0.5, 1.0);
  CHECK(at::equal(still.value, value));
  CHECK(at::equal(bare.value, value));
  CHECK(at::allclose(decayed.value, value * (1 - 0.5 * 0.1)));
}

TEST_CASE("the norm of slices adds up to the norm of the whole, bit for bit") {
  const auto optimizer = make_optimizer(plan_of("adam"), {});
  const std::int64_t block = Optimizer::kNormBlock;
  const at::Tensor gradient = at::randn({3 * block + 77});
  Piece whole = piece(*optimizer, gradient, gradient);
  ExactSum all, sum;
  optimizer->add_squares(slice_of(whole, 0, 1), all);
  CHECK(all.value() == Approx(gradient.mul(gradient).sum(at::kDouble).item<double>()));
  for (const std::int64_t b : {2, 0, 3, 1}) {
    Piece part = piece(*optimizer, gradient.slice(0, b * block, (b + 1) * block),
                       gradient.slice(0, b * block, (b + 1) * block));
    optimizer->add_squares(slice_of(part, b * block, 1), sum);
  }
  CHECK(sum.value() == all.value());
}

TEST_CASE("an exact sum is that of any order and any grouping") {
  std::vector<double> terms = {1, 1e-30, 3e200, 0.1, 0, 7e-310, 0x1p-1074, 0x1.fffffffffffffp1000};
  for (int i = 0; i < 1000; ++i) terms.push_back(std::ldexp(1 + i / 1000.0, i % 600 - 300));
  ExactSum forwards;
  for (const double term : terms) forwards.add(term);
  std::array<ExactSum, 3> ranks;
  for (std::size_t i = terms.size(); i-- > 0;) ranks[i % 3].add(terms[i]);
  for (int d = 0; d < ExactSum::size(); ++d) {
    ranks[0].digits()[d] += ranks[1].digits()[d] + ranks[2].digits()[d];
  }
  CHECK(ranks[0].value() == forwards.value());

  ExactSum small;
  for (int i = 0; i < 10; ++i) small.add(0x1p-1074);
  CHECK(small.value() == 10 * 0x1p-1074);
  small.add(1);
  CHECK(small.value() == 1);
  small.add(std::numeric_limits<double>::infinity());
  CHECK(std::isnan(small.value()));
  ExactSum whole;
  for (int i = 0; i < 100000; ++i) whole.add(0.1);
  CHECK(whole.value() == 100000 * 0.1);
}

TEST_CASE("schedules") {
  recipe::OptimizerPlan plan;
  plan.schedule = "constant";
  CHECK(scheduled_lr(plan, 2.0, 99, 100) == 2.0);
  plan.warmup = 4;
  CHECK(scheduled_lr(plan, 2.0, 0, 100) == 0.5);
  CHECK(scheduled_lr(plan, 2.0, 3, 100) == 2.0);
  plan.warmup = 0.1;
  CHECK(scheduled_lr(plan, 2.0, 4, 100) == 1.0);
  plan.warmup = 0;
  plan.min_lr = 1.0;
  plan.schedule = "linear";
  CHECK(scheduled_lr(plan, 2.0, 50, 100) == Approx(1.5));
  plan.schedule = "cosine";
  CHECK(scheduled_lr(plan, 2.0, 0, 100) == Approx(2.0));
  CHECK(scheduled_lr(plan, 2.0, 50, 100) == Approx(1.5));
  CHECK(scheduled_lr(plan, 2.0, 100, 100) == Approx(1.0));
  CHECK(scheduled_lr(plan, 2.0, 1000, 100) == Approx(1.0));
}

TEST_CASE("the loader keeps the order, whatever its threads do") {
  const int workers = GENERATE(1, 4);
  std::int64_t next = 0;
  Prefetcher prefetcher(
      workers, 3,
      [&]() -> std::optional<LoadRequest> {
        if (next == 200) return std::nullopt;
        LoadRequest request;
        request.slice.step = next++;
        return request;
      },
      [](const LoadRequest& request) {
        if (request.slice.step % 7 == 0) std::this_thread::yield();
        Batch batch;
        batch.slice = request.slice;
        return batch;
      });
  for (std::int64_t i = 0; i < 200; ++i) CHECK(prefetcher.next().slice.step == i);
}

TEST_CASE("what a loader throws comes out where its batch would have") {
  std::int64_t next = 0;
  Prefetcher prefetcher(
      2, 4,
      [&]() -> std::optional<LoadRequest> {
        LoadRequest request;
        request.slice.step = next++;
        return request;
      },
      [](const LoadRequest& request) {
        if (request.slice.step == 5) throw std::runtime_error("line 6 is wrong");
        return Batch{};
      });
  for (int i = 0; i < 5; ++i) prefetcher.next();
  CHECK_THROWS_WITH(prefetcher.next(), "line 6 is wrong");
}

TEST_CASE("a loader that is left early ends") {
  for (int i = 0; i < 20; ++i) {
    Prefetcher prefetcher(
        3, 2, [] { return std::optional(LoadRequest{}); },
        [](const LoadRequest&) { return Batch{}; });
    prefetcher.next();
  }
}

TEST_CASE("a model that declares nonsense is refused with the place") {
  const auto zero = [](at::Tensor& out) { out.zero_(); };
  ModelSpec model{{{"a", {{"w", {2}, zero}}, {}, {}}, {"b", {}, {}, {"a/w"}}}, {}};
  CHECK_NOTHROW(check_model("m", model, {{"fit", {0, 1}, {}}}));
  const auto refused = [&](const std::string& text) {
    try {
      check_model("m", model, {{"fit", {0, 1}, {}}});
      return false;
    } catch (const Error& error) {
      INFO(error.what());
      CHECK(error.failure() == Failure::kPlugin);
      return std::string(error.what()).find(text) != std::string::npos;
    }
  };
  SECTION("unknown borrow") {
    model.units[1].borrows = {"a/x"};
    CHECK(refused("a/x"));
  }
  SECTION("two units of one name") {
    model.units[1].name = "a";
    CHECK(refused("'a'"));
  }
  SECTION("no initialiser") {
    model.units[0].parameters[0].initialize = nullptr;
    CHECK(refused("a/w"));
  }
  SECTION("a shape beyond memory") {
    model.units[0].parameters[0].shape = {std::int64_t{1} << 40, std::int64_t{1} << 40};
    CHECK(refused("a/w"));
  }
  SECTION("two types in a unit") {
    model.units[0].parameters.push_back({"half", {2}, zero, at::kHalf});
    CHECK(refused("a/half"));
  }
  SECTION("a group nobody declared") {
    model.units[0].parameters[0].group = "g";
    CHECK(refused("group g"));
  }
}

TEST_CASE("the hash of a tensor is the sum of its slices' hashes") {
  std::vector<float> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) - 3;
  const auto hash = [&](std::int64_t begin, std::int64_t end) {
    return hash_elements(values.data() + begin, end - begin, 4, begin);
  };
  const std::uint64_t whole = hash(0, 1000);
  for (const std::int64_t cut : {0, 1, 16, 999, 1000}) {
    CHECK(hash(0, cut) + hash(cut, 1000) == whole);
  }
  SECTION("a bit") { values[500] = -values[500]; }
  SECTION("the sign of a zero") { values[3] = -0.0F; }
  SECTION("two values in each other's place") { std::swap(values[500], values[501]); }
  SECTION("a row that came twice") { std::copy_n(&values[10], 10, &values[20]); }
  CHECK(hash(0, 1000) != whole);
}

TEST_CASE("a job that nobody knows is refused") {
  launch::RankEnvironment environment;
  CHECK(Job::from(environment).kind == Job::Kind::kTrain);
  environment.job = "dance";
  CHECK_THROWS_AS(Job::from(environment), Error);
  environment.job = "prove";
  environment.job_file = "/dev/null";
  CHECK_THROWS_AS(Job::from(environment), Error);
}

TEST_CASE("memory that ran out is told from other exceptions") {
  const auto error_of = [](const auto& act) {
    try {
      act();
    } catch (const std::exception& exception) {
      return as_error("here", exception);
    }
    throw std::logic_error("no exception");
  };
  const Error starved =
      error_of([] { at::empty({std::int64_t{1} << 56}, at::TensorOptions(at::kByte)); });
  CHECK(starved.failure() == Failure::kDevice);
  CHECK_THAT(starved.what(), Contains("here: the device has no memory left"));
  CHECK(starved.text().got.find("frame #") == std::string::npos);
  CHECK(error_of([] { throw std::bad_alloc(); }).failure() == Failure::kDevice);
  const Error other = error_of([] { throw std::runtime_error("a reason"); });
  CHECK(other.failure() == Failure::kRankLost);
  CHECK_THAT(other.what(), Contains("a reason"));
}

TEST_CASE("a loss scale halves at an overflow and doubles after many steps without") {
  checkpoint::LossScale scale;
  CHECK(scale.update(true));
  CHECK(scale.scale == 32768);
  for (int i = 1; i < checkpoint::LossScale::kGrowAfter; ++i) scale.update(false);
  CHECK(scale.scale == 32768);
  scale.update(true);
  CHECK(scale.scale == 16384);
  for (int i = 0; i < checkpoint::LossScale::kGrowAfter; ++i) CHECK(scale.update(false));
  CHECK(scale.scale == 32768);
  int overflows = 0;
  while (scale.update(true)) REQUIRE(++overflows < 100);
  CHECK(scale.scale == checkpoint::LossScale::kSmallest);
  scale.scale = checkpoint::LossScale::kLargest;
  for (int i = 0; i < 2 * checkpoint::LossScale::kGrowAfter; ++i) scale.update(false);
  CHECK(scale.scale == checkpoint::LossScale::kLargest);
}

TEST_CASE("units to run again: all, every so many, or by name") {
  ModelSpec model;
  for (const char* name : {"a", "b", "c", "d"}) {
    model.units.emplace_back();
    model.units.back().name = name;
  }
  recipe::RunPlan plan;
  CHECK(economies_of(plan, model).recompute.empty());
  CHECK_FALSE(economies_of(plan, model).autocast);
  plan.precision = "bf16";
  CHECK(economies_of(plan, model).autocast == at::kBFloat16);
  plan.train.recompute_every = 1;
  CHECK(economies_of(plan, model).recompute == std::vector<bool>{true, true, true, true});
  plan.train.recompute_every = 3;
  CHECK(economies_of(plan, model).recompute == std::vector<bool>{true, false, false, true});
  plan.train.recompute_every = 0;
  plan.train.recompute_units = {"c"};
  CHECK(economies_of(plan, model).recompute == std::vector<bool>{false, false, true, false});
  plan.train.recompute_units = {"c", "e"};
  CHECK_THROWS_WITH(economies_of(plan, model),
                    Catch::Contains("no unit 'e'") && Catch::Contains("a, b, c, d"));
}
