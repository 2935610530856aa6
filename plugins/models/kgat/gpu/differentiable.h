// KGAT as functions that autograd differentiates, on a device's kernels: the formulas, shapes and
// random numbers of ../functions.h. float32, whatever the precision of the run.
//
// Nothing waits for the device: what a step needs to know on the CPU is in its plan. The gradients'
// bits depend on the shapes alone, as far as the device's matrix products do.
#pragma once

#include "evaluation.h"
#include "functions.h"
#include "gpu/graph.h"

namespace kgat::gpu {

using GraphPointer = std::shared_ptr<const DeviceGraph>;
using BatchPointer = std::shared_ptr<const DeviceBatch>;

/// Attention values and those of the transpose, on the device. [n_edges]
struct Values {
  at::Tensor values, transposed;
};

/// As kgat::propagate_layer.
LayerResult propagate_layer(const GraphPointer& graph, const Values& values,
                            const BatchPointer& batch, int layer, const LayerShape& shape,
                            const Dropout& dropout, const LayerParameters& parameters,
                            const at::Tensor& x);

/// As kgat::cf_loss_sum, of the samples of the batch.
at::Tensor cf_loss_sum(const GraphPointer& graph, const BatchPointer& batch, double lambda,
                       const std::vector<at::Tensor>& parts);

/// As kgat::kg_loss_sum.
at::Tensor kg_loss_sum(const GraphPointer& graph, const KgPlan& plan, double lambda,
                       TableGradient form, const at::Tensor& embeddings,
                       const at::Tensor& relations, const at::Tensor& matrices);

/// As kgat::attention.
at::Tensor attention(const DeviceGraph& graph, const at::Tensor& embeddings,
                     const at::Tensor& relations, const at::Tensor& matrices);

/// Ranks by representations [n_nodes, d] on the device (entities first, then users), in blocks of
/// users whose scores take `score_bytes`. For evaluate_ranked().
Ranker ranker(const DeviceGraph& graph, at::Tensor representations,
              std::int64_t score_bytes = std::int64_t{256} << 20);

}  // namespace kgat::gpu
