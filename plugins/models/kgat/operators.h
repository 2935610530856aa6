// KGAT's operators on one device, whoever computes them: KGAT's kernels on a CPU or a GPU, or
// LibTorch's operations.
#pragma once

#include "batches.h"
#include "evaluation.h"
#include "gpu/kernels.h"

namespace kgat {

/// Purpose: the layers and the CF loss of one batch. Owner: shares what it needs; alive until
/// backward is done. Threads: one rank's.
class Propagation {
 public:
  virtual ~Propagation() = default;
  /// functions.h: propagate_layer(), with the attention `values` as they are now.
  virtual LayerResult layer(int layer, const LayerShape& shape, const Dropout& dropout,
                            const LayerParameters& weights, const at::Tensor& values,
                            const at::Tensor& x) = 0;
  virtual at::Tensor cf_loss(double lambda, const std::vector<at::Tensor>& parts) = 0;
};

/// Purpose: a rank's operators. Owner: the rank. Threads: one rank's.
class Operators {
 public:
  virtual ~Operators() = default;
  virtual std::shared_ptr<Propagation> propagation(const CfWork& work) = 0;
  /// The gradient of the table comes by rows.
  virtual at::Tensor kg_loss(const KgWork& work, double lambda, const at::Tensor& embeddings,
                             const at::Tensor& relations, const at::Tensor& matrices) = 0;
  virtual at::Tensor attention(const at::Tensor& embeddings, const at::Tensor& relations,
                               const at::Tensor& matrices) = 0;
  /// evaluation.h: the metrics of `users` by representations [n_nodes, d] on this device.
  virtual MetricSums evaluate(const at::Tensor& representations, const Interactions& test,
                              const Interactions& known, std::span<const std::int32_t> users,
                              const std::vector<std::int32_t>& ks) = 0;
};

/// KGAT's kernels for CPUs.
std::unique_ptr<Operators> make_cpu_operators(std::shared_ptr<const Graph> graph);
/// LibTorch's operations, for any device; ranking on the CPU.
std::unique_ptr<Operators> make_composed_operators(std::shared_ptr<const Graph> graph,
                                                   at::Device device);
/// The kernels of `table` (gpu/kernels.h).
std::unique_ptr<Operators> make_gpu_operators(std::shared_ptr<const Graph> graph,
                                              const gpu::Table& table, at::Device device);

}  // namespace kgat
