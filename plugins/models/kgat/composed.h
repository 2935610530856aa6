// KGAT as compositions of ATen operations: for devices that have no kernels of KGAT's own.
//
// The formulas, shapes and random numbers are those of functions.h, so results agree with the CPU
// kernels to rounding. What it costs: each layer keeps a gathered row of x for every edge, and sums
// by index_add, whose order on a GPU is not fixed: two runs there differ in the last bits.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "functions.h"

namespace kgat::composed {

/// Purpose: the graph's pattern as index tensors on a device. Owner: a rank; shares the graph.
/// Threads and ranks: immutable after it was made.
struct Pattern {
  std::shared_ptr<const Graph> graph;
  at::Tensor heads, tails;  // [n_edges]
  at::Tensor groups;        // [n_edges] group of an edge, counted in the order of by_relation
  at::Tensor group_heads;   // [n_groups] likewise
  std::vector<std::int64_t> relation_ends;  // [n_relations] where a relation's groups end

  static Pattern make(std::shared_ptr<const Graph> graph, at::Device device);
};

/// As kgat::propagate_layer; `values` are the attention values [n_edges].
LayerResult propagate_layer(const Pattern& pattern, const at::Tensor& values,
                            const Frontier& frontier, int layer, const LayerShape& shape,
                            const Dropout& dropout, const LayerParameters& parameters,
                            const at::Tensor& x);

/// As kgat::cf_loss_sum.
at::Tensor cf_loss_sum(const CfRows& batch, double lambda, const std::vector<at::Tensor>& parts);

/// As kgat::kg_loss_sum.
at::Tensor kg_loss_sum(const KgBatch& batch, double lambda, TableGradient form,
                       const at::Tensor& embeddings, const at::Tensor& relations,
                       const at::Tensor& matrices);

/// As kgat::attention.
at::Tensor attention(const Pattern& pattern, const at::Tensor& embeddings,
                     const at::Tensor& relations, const at::Tensor& matrices);

}  // namespace kgat::composed
