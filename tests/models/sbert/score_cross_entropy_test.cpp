// The cross entropy by blocks: against ATen's on all scores, for any size of the blocks.
#include "sbert/score_cross_entropy.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>

#include "support.h"

namespace {

using namespace sbert;
using namespace sbert::testing;

constexpr double kScale = 7;
constexpr std::int64_t kFirst = 3;

struct Both {
  at::Tensor anchors = random({6, 5}, 1).requires_grad_(true);
  at::Tensor candidates = random({11, 5}, 2).requires_grad_(true);
};

}  // namespace

TEST_CASE("blocks of scores give the cross entropy of all scores, and its gradients") {
  const std::int64_t scores_at_once = GENERATE(1, 11, 12, 23, 45, 1000);
  INFO(scores_at_once << " scores at once");
  const Both expected;
  const at::Tensor scores = at::mm(expected.anchors, expected.candidates.t()) * kScale;
  const at::Tensor labels = at::arange(kFirst, kFirst + 6, at::TensorOptions(at::kLong));
  const at::Tensor reference = at::cross_entropy_loss(scores, labels, {}, at::Reduction::Sum) * 0.3;
  reference.backward();

  const Both got;
  const at::Tensor value =
      score_cross_entropy(got.anchors, got.candidates, kScale, kFirst, scores_at_once) * 0.3;
  value.backward();
  CHECK(distance(value.detach(), reference.detach()) < 1e-12);
  CHECK(distance(got.anchors.grad(), expected.anchors.grad()) < 1e-12);
  CHECK(distance(got.candidates.grad(), expected.candidates.grad()) < 1e-12);
}

TEST_CASE("without a graph the cross entropy is the same number and has none") {
  const Both both;
  const at::Tensor with = score_cross_entropy(both.anchors, both.candidates, kScale, kFirst);
  const at::NoGradGuard no_graph;
  const at::Tensor without = score_cross_entropy(both.anchors, both.candidates, kScale, kFirst);
  CHECK(!without.requires_grad());
  CHECK(at::equal(with.detach(), without));
}

TEST_CASE("scores too large for exp are no overflow") {
  const at::Tensor anchors = random({4, 3}, 1) * 1e3, candidates = random({4, 3}, 2) * 1e3;
  const at::Tensor value = score_cross_entropy(anchors, candidates, 1, 0);
  CHECK(std::isfinite(value.item().toDouble()));
}
