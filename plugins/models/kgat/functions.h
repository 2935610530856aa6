// KGAT as functions of tensors that autograd differentiates. No parameter is made here: all tensors
// come from outside, contiguous float32 on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "frontier.h"
#include "kernels/layer.h"
#include "kernels/losses.h"
#include "workspace.h"

namespace kgat {

/// The adjacency: attention values in the order of the graph's edges, and those of the transpose.
struct Adjacency {
  std::shared_ptr<const Graph> graph;
  at::Tensor values;      // [n_edges]
  at::Tensor transposed;  // [n_edges]

  static Adjacency make(std::shared_ptr<const Graph> graph, at::Tensor values);
};

struct LayerParameters {
  at::Tensor w1, b1;  // [d_out, depth], [d_out]
  at::Tensor w2, b2;  // the same for bi; undefined otherwise
};

struct LayerResult {
  at::Tensor y;  // [level(layer).size, d_out], un-normalised, after dropout: feeds the next layer
  at::Tensor z;  // [batch.size, d_out], y normalised at the batch's nodes: part of the score
  at::Tensor x_rows;  // [batch.size, d_in], layer 1 alone: x at the batch's nodes, the first part
};

/// Propagation layer `layer` (from 1) over the levels of a frontier; x is [level(layer - 1).size,
/// d_in]. Without gradients (evaluation) nothing is saved. The gradients' bits depend neither on
/// the number of threads nor on timing.
LayerResult propagate_layer(const Adjacency& adjacency, std::shared_ptr<const Frontier> frontier,
                            int layer, const LayerShape& shape, const Dropout& dropout,
                            const LayerParameters& parameters, const at::Tensor& x,
                            Workspace& workspace);

/// The batch's nodes as rows of its level, and a frontier for them: users are given as user ids.
std::vector<std::int32_t> nodes_of(const Graph& graph, const CfBatch& batch);
CfRows rows_of(const Graph& graph, const Frontier& frontier, const CfBatch& batch);

/// SUM over the rows of the CF loss (losses.h) of the concatenated parts, a scalar. An empty batch
/// gives 0, and gradients of zeros.
at::Tensor cf_loss_sum(std::shared_ptr<const CfRows> batch, double lambda,
                       const std::vector<at::Tensor>& parts);

/// The form of the embedding table's gradient in the KG loss.
enum class TableGradient {
  kDense,  // [n_nodes, d]
  kRows,   // a sparse tensor of the rows that the batch touches, ascending and distinct
};

/// SUM over the rows of the KG loss (losses.h), a scalar. An empty batch gives 0, and gradients of
/// zeros (or no rows).
at::Tensor kg_loss_sum(const KgBatch& batch, double lambda, TableGradient form,
                       const at::Tensor& embeddings, const at::Tensor& relations,
                       const at::Tensor& matrices, Workspace& workspace);

/// New attention values [n_edges] from the parameters, without gradient.
at::Tensor attention(const Graph& graph, const at::Tensor& embeddings, const at::Tensor& relations,
                     const at::Tensor& matrices);

}  // namespace kgat
