// The cross entropy of scores of all pairs, without all the scores at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sbert {

/// Σ_i log Σ_j exp(scale · a_i·c_j) − scale · a_i·c_(first + i), a scalar: each anchor's own
/// candidate is to have the highest score (van den Oord et al., "Representation Learning with
/// Contrastive Predictive Coding", 2018, equation 4). anchors [n, d], candidates [m, d], both of
/// the same floating type; first + n <= m. Differentiable once in both.
///
/// Scores exist for some anchors at a time, `scores_at_once` of them or a row; the gradients, of
/// the size of the inputs, come of the same pass. So memory grows with n + m and not with n · m.
at::Tensor score_cross_entropy(const at::Tensor& anchors, const at::Tensor& candidates,
                               double scale, std::int64_t first,
                               std::int64_t scores_at_once = std::int64_t{1} << 22);

}  // namespace sbert
