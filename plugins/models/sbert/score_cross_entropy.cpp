#include "sbert/score_cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "sbert/full_precision.h"

namespace sbert {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct Problem {
  const at::Tensor &anchors, &candidates;
  double scale;
  std::int64_t first, scores_at_once;
};

struct Gradients {
  at::Tensor anchors, candidates;
};

/// Of anchors [begin, begin + count). With p the softmax of an anchor's scores s and o its own
/// candidate, ds is p − 1_o.
at::Tensor add_block(const Problem& of, std::int64_t begin, std::int64_t count,
                     Gradients* gradients) {
  const at::Tensor anchors = of.anchors.narrow(0, begin, count);
  at::Tensor scores = at::mm(anchors, of.candidates.t()).mul_(of.scale);
  at::Tensor own = scores.narrow(1, of.first + begin, count).diagonal();
  const at::Tensor normaliser = at::logsumexp(scores, {1}, true);
  const at::Tensor sum = (normaliser.squeeze(1) - own).sum();
  if (gradients == nullptr) return sum;
  scores.sub_(normaliser).exp_();
  own.sub_(1);
  gradients->anchors.narrow(0, begin, count).addmm_(scores, of.candidates, 1, of.scale);
  gradients->candidates.addmm_(scores.t(), anchors, 1, of.scale);
  return sum;
}

at::Tensor solve(const Problem& of, Gradients* gradients) {
  const FullPrecision precision;
  const std::int64_t rows = of.anchors.size(0), columns = of.candidates.size(0);
  const std::int64_t block =
      std::max<std::int64_t>(1, of.scores_at_once / std::max<std::int64_t>(1, columns));
  at::Tensor sum = at::zeros({}, of.anchors.options());
  for (std::int64_t begin = 0; begin < rows; begin += block) {
    sum = sum + add_block(of, begin, std::min(block, rows - begin), gradients);
  }
  return sum;
}

struct ScoreCrossEntropy : Function<ScoreCrossEntropy> {
  static Variable forward(AutogradContext* context, const Variable& anchors,
                          const Variable& candidates, double scale, std::int64_t first,
                          std::int64_t scores_at_once) {
    Gradients gradients{at::zeros_like(anchors), at::zeros_like(candidates)};
    at::Tensor sum = solve({anchors, candidates, scale, first, scores_at_once}, &gradients);
    context->save_for_backward({gradients.anchors, gradients.candidates});
    return sum;
  }
  static variable_list backward(AutogradContext* context, const variable_list& seeds) {
    const variable_list saved = context->get_saved_variables();
    return {saved[0] * seeds[0], saved[1] * seeds[0], Variable(), Variable(), Variable()};
  }
};

}  // namespace

at::Tensor score_cross_entropy(const at::Tensor& anchors, const at::Tensor& candidates,
                               double scale, std::int64_t first, std::int64_t scores_at_once) {
  const bool graph =
      c10::GradMode::is_enabled() && (anchors.requires_grad() || candidates.requires_grad());
  if (!graph) return solve({anchors, candidates, scale, first, scores_at_once}, nullptr);
  return ScoreCrossEntropy::apply(anchors, candidates, scale, first, scores_at_once);
}

}  // namespace sbert
