// The two losses with their gradients (KGAT equations 1, 2, 12, 13). Each is a SUM over the rows of
// the batch: the host divides by the global number of rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "samplers.h"

namespace kgat {

/// A CF batch whose nodes are rows of the batch level.
struct CfRows {
  std::vector<std::int32_t> users, positives, negatives;
};

/// Σ softplus(-(u·i - u·j)) + λ ½ (|u|² + |i|² + |j|²) over the rows of the batch, where a vector
/// is the concatenation of its parts (equations 11 to 13). parts[l] is [n_rows, widths[l]].
/// `coefficients` [batch] receives -sigmoid(-(u·i - u·j)), which backward needs.
double cf_loss_forward(const CfRows& batch, std::span<const float* const> parts,
                       std::span<const std::int32_t> widths, double lambda, float* coefficients);

/// gradients[l] [n_rows, widths[l]], overwritten, each scaled by `factor`.
void cf_loss_backward(const CfRows& batch, std::span<const float* const> parts,
                      std::span<const std::int32_t> widths, double lambda, float factor,
                      const float* coefficients, std::int32_t n_rows,
                      std::span<float* const> gradients);

/// Gradients of the KG loss. Rows of the embedding table are those that the batch touches.
struct KgGradients {
  std::vector<std::int32_t> rows;  // nodes, ascending and distinct
  std::vector<float> embeddings;   // [rows, d]
  std::vector<float> relations;    // [n_relations, k]
  std::vector<float> matrices;     // [n_relations, d, k]
};

/// Σ softplus(g(h,r,t) - g(h,r,t')) + λ ½ (|W e_h|² + |e_r|² + |W e_t|² + |W e_t'|²) over the rows,
/// g = |W_r e_h + e_r - W_r e_t|² (equations 1 and 2), with its gradients: all in one pass, since
/// the projections are at hand. The batch is sorted by relation: one matrix product a relation.
double kg_loss(const KgBatch& batch, const TransR& parameters, std::int32_t n_relations,
               double lambda, KgGradients& gradients);

}  // namespace kgat
