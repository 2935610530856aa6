// GradCache: the gradients of the whole batch, one reduction, graphs of a mini-batch at a time.
#include "sbert/grad_cache.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/tanh.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "support.h"

namespace {

using namespace sbert;
using namespace sbert::testing;
using trainhost::Backward;
using trainhost::UnitTensors;
using trainhost::testing::RankOfTest;

constexpr std::int64_t kRows = 13, kInputs = 4, kDim = 6;

/// A unit that embeds: tanh(x W).
trainhost::ModelSpec encoder() {
  trainhost::UnitSpec unit{.name = "encoder"};
  unit.parameters.push_back({"weight", {kInputs, kDim}, [](at::Tensor& out) {
                               out.copy_(random({kInputs, kDim}, 17));
                             }});
  unit.parameters.back().dtype = at::kDouble;
  return {.units = {unit}};
}

/// What a step of all ranks gave.
struct Step {
  double loss = 0;
  at::Tensor gradient;
  std::vector<std::vector<Backward>> backwards;  // by rank
  std::int64_t largest = 0;                      // rows that were embedded with a graph at once
  std::vector<std::int64_t> embedded;            // calls, by rank
};

struct Problem {
  LossSettings settings;
  std::size_t columns = 2;
  int world = 1;
};

Step run(const Problem& of, const Tensors& inputs, const at::Tensor& labels,
         std::int64_t mini_batch) {
  const auto loss = make_loss(of.settings);
  const auto rows_of = trainhost::testing::uneven(kRows, of.world);
  const auto world = static_cast<std::size_t>(of.world);
  Step out;
  out.backwards.resize(world);
  out.embedded.resize(world);
  std::vector<trainhost::Loss> losses(world);
  Tensors gradients(world);
  std::vector<std::int64_t> largest(world);
  const auto errors = trainhost::testing::on_ranks(of.world, encoder(), [&](const RankOfTest& at) {
    const auto part = [&](const at::Tensor& all) {
      return trainhost::testing::part_of(all, rows_of, at.rank);
    };
    const Embed embed = [&](std::int64_t begin, std::int64_t end) {
      ++out.embedded[at.rank];
      if (c10::GradMode::is_enabled()) {
        largest[at.rank] = std::max(largest[at.rank], end - begin);
      }
      Tensors embeddings;
      for (std::size_t c = 0; c < of.columns; ++c) {
        embeddings.push_back(at.execution.run(0,
                                              [](const UnitTensors& unit, const Tensors& in) {
                                                return Tensors{
                                                    at::tanh(at::matmul(in[0], unit.parameter(0)))};
                                              },
                                              {part(inputs[c]).narrow(0, begin, end - begin)})[0]);
      }
      return embeddings;
    };
    const at::Tensor mine = labels.defined() ? part(labels) : at::Tensor();
    if (mini_batch > 0) {
      losses[at.rank] = cached_loss(*loss, {mine, rows_of, mini_batch}, embed, at.execution);
    } else {
      losses[at.rank] = loss->of({embed(0, rows_of[at.rank]), mine, rows_of}, at.execution);
    }
    at.execution.finish_micro_batch(losses[at.rank].sum);
    gradients[at.rank] = at.session.tensor("encoder/weight").grad();
    out.backwards[at.rank] = at.session.backwards;
  });
  for (const std::string& error : errors) REQUIRE(error.empty());
  double sum = 0, weight = 0;
  for (std::size_t r = 0; r < world; ++r) {
    sum += losses[r].sum.detach().item().toDouble();
    weight += losses[r].weight;
    out.gradient = r == 0 ? gradients[r] : out.gradient + gradients[r];
  }
  out.loss = sum / weight;
  out.largest = std::ranges::max(largest);
  return out;
}

}  // namespace

TEST_CASE("GradCache gives the gradients of the whole batch in one reduction") {
  const int world = GENERATE(1, 2, 4);
  const std::int64_t mini_batch = GENERATE(1, 3, 5, 100);
  const std::vector<Problem> problems{
      {{}, 2, world},
      {{}, 3, world},
      {{.kind = LossKind::kCosent}, 2, world},
      {{.kind = LossKind::kTriplet}, 3, world},
      {{.matryoshka_dims = {6, 3}, .matryoshka_weights = {1, 0.5}}, 2, world}};
  for (const Problem& problem : problems) {
    INFO(world << " ranks, mini-batches of " << mini_batch << ", loss "
               << static_cast<int>(problem.settings.kind) << ", " << problem.columns << " columns");
    Tensors inputs;
    for (std::uint64_t c = 0; c < 3; ++c) inputs.push_back(random({kRows, kInputs}, 20 + c));
    const at::Tensor labels = random({kRows}, 30).to(at::kFloat);
    const Step plain = run(problem, inputs, labels, 0);
    const Step cached = run(problem, inputs, labels, mini_batch);
    CHECK(cached.loss == Approx(plain.loss).epsilon(1e-12));
    CHECK(distance(cached.gradient, plain.gradient) < 1e-10);
    CHECK(cached.largest <= mini_batch);
    const auto rows_of = trainhost::testing::uneven(kRows, world);
    const auto count =
        static_cast<std::size_t>((std::ranges::max(rows_of) + mini_batch - 1) / mini_batch);
    for (std::size_t r = 0; r < static_cast<std::size_t>(world); ++r) {
      std::vector<Backward> expected(count, Backward::kPart);
      expected.back() = Backward::kLastOfStep;
      CHECK((cached.backwards[r] == expected));
      CHECK(cached.embedded[r] == static_cast<std::int64_t>(2 * count - 1));
    }
  }
}

TEST_CASE("GradCache of an encoder that is frozen") {
  trainhost::ModelSpec frozen;
  const at::Tensor u = random({5, kDim}, 1), v = random({5, kDim}, 2);
  const std::int64_t mini_batch = GENERATE(2, 5);
  double value = 0;
  const auto errors = trainhost::testing::on_ranks(1, frozen, [&](const RankOfTest& at) {
    const Embed embed = [&](std::int64_t begin, std::int64_t end) {
      return Tensors{u.narrow(0, begin, end - begin), v.narrow(0, begin, end - begin)};
    };
    const auto loss = make_loss({});
    value = cached_loss(*loss, {{}, {5}, mini_batch}, embed, at.execution).sum.item().toDouble();
    at.execution.finish_micro_batch({});
  });
  CHECK(errors[0].empty());
  CHECK(value == Approx(measure(*make_loss({}), {u, v}, {}, 1).value * 5));
}
