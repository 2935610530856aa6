#include "operators.h"

#include "gpu/differentiable.h"

namespace kgat {
namespace {

using gpu::BatchPlan;
using gpu::BatchPointer;
using gpu::DeviceBatch;
using gpu::DeviceGraph;
using gpu::GraphPointer;
using gpu::KgPlan;

/// The attention values last seen, with their transpose.
class ValuesCache {
 public:
  explicit ValuesCache(GraphPointer graph) : graph_(std::move(graph)) {}

  const gpu::Values& of(const at::Tensor& values) {
    const auto version = static_cast<std::uint32_t>(values._version());
    if (address_ != values.const_data_ptr() || version_ != version) {
      values_ = {values, graph_->transposed(values)};
      address_ = values.const_data_ptr();
      version_ = version;
    }
    return values_;
  }

 private:
  GraphPointer graph_;
  gpu::Values values_;
  const void* address_ = nullptr;
  std::uint32_t version_ = 0;
};

class GpuPropagation : public Propagation {
 public:
  GpuPropagation(GraphPointer graph, std::shared_ptr<ValuesCache> values, BatchPointer batch)
      : graph_(std::move(graph)), values_(std::move(values)), batch_(std::move(batch)) {}

  LayerResult layer(int layer, const LayerShape& shape, const Dropout& dropout,
                    const LayerParameters& weights, const at::Tensor& values,
                    const at::Tensor& x) override {
    return gpu::propagate_layer(graph_, values_->of(values), batch_, layer, shape, dropout, weights,
                                x);
  }
  at::Tensor cf_loss(double lambda, const std::vector<at::Tensor>& parts) override {
    return gpu::cf_loss_sum(graph_, batch_, lambda, parts);
  }

 private:
  const GraphPointer graph_;
  const std::shared_ptr<ValuesCache> values_;  // the rank's, used again by its next batch
  const BatchPointer batch_;
};

class GpuOperators : public Operators {
 public:
  GpuOperators(std::shared_ptr<const Graph> graph, const gpu::Table& table, at::Device device)
      : graph_(std::make_shared<const DeviceGraph>(table, std::move(graph), device)),
        values_(std::make_shared<ValuesCache>(graph_)) {}

  std::shared_ptr<Propagation> propagation(const CfWork& work) override {
    const auto batch =
        work.plan ? std::make_shared<const DeviceBatch>(*graph_, *work.plan)
                  : std::make_shared<const DeviceBatch>(
                        *graph_, BatchPlan::make(graph_->graph(), *work.frontier, work.rows.get(),
                                                 /*pinned=*/false));
    return std::make_shared<GpuPropagation>(graph_, values_, batch);
  }
  at::Tensor kg_loss(const KgWork& work, double lambda, const at::Tensor& embeddings,
                     const at::Tensor& relations, const at::Tensor& matrices) override {
    constexpr auto kForm = TableGradient::kRows;
    if (work.plan) {
      return gpu::kg_loss_sum(graph_, *work.plan, lambda, kForm, embeddings, relations, matrices);
    }
    const KgPlan plan = KgPlan::make(work.samples, graph_->graph().n_relations, /*pinned=*/false);
    return gpu::kg_loss_sum(graph_, plan, lambda, kForm, embeddings, relations, matrices);
  }
  at::Tensor attention(const at::Tensor& embeddings, const at::Tensor& relations,
                       const at::Tensor& matrices) override {
    return gpu::attention(*graph_, embeddings, relations, matrices);
  }
  MetricSums evaluate(const at::Tensor& representations, const Interactions& test,
                      const Interactions& known, std::span<const std::int32_t> users,
                      const std::vector<std::int32_t>& ks) override {
    return evaluate_ranked(gpu::ranker(*graph_, representations), test, known, users, ks);
  }

 private:
  const GraphPointer graph_;
  const std::shared_ptr<ValuesCache> values_;
};

}  // namespace

std::unique_ptr<Operators> make_gpu_operators(std::shared_ptr<const Graph> graph,
                                              const gpu::Table& table, at::Device device) {
  return std::make_unique<GpuOperators>(std::move(graph), table, device);
}

}  // namespace kgat
