#include "operators.h"

#include "composed.h"
#include "workspace.h"

namespace kgat {
namespace {

MetricSums evaluate_on_cpu(const Graph& graph, const at::Tensor& representations,
                           const Interactions& test, const Interactions& known,
                           std::span<const std::int32_t> users,
                           const std::vector<std::int32_t>& ks) {
  const at::Tensor table = representations.cpu();
  const float* rows = table.const_data_ptr<float>();
  const auto d = static_cast<std::int32_t>(table.size(1));
  return kgat::evaluate({rows + std::ptrdiff_t{graph.n_entities} * d, rows, graph.n_items, d}, test,
                        known, users, ks);
}

// ------------------------------------------------------------------------------------------ CPU

/// The adjacency of the attention values last seen.
class AdjacencyCache {
 public:
  explicit AdjacencyCache(std::shared_ptr<const Graph> graph) : graph_(std::move(graph)) {}

  const Adjacency& of(const at::Tensor& values) {
    const auto version = static_cast<std::uint32_t>(values._version());
    if (address_ != values.const_data_ptr() || version_ != version) {
      adjacency_ = Adjacency::make(graph_, values);
      address_ = values.const_data_ptr();
      version_ = version;
    }
    return adjacency_;
  }

 private:
  std::shared_ptr<const Graph> graph_;
  Adjacency adjacency_;
  const void* address_ = nullptr;
  std::uint32_t version_ = 0;
};

class CpuPropagation : public Propagation {
 public:
  CpuPropagation(std::shared_ptr<AdjacencyCache> adjacency, CfWork work, Workspace workspace)
      : adjacency_(std::move(adjacency)),
        work_(std::move(work)),
        workspace_(std::move(workspace)) {}

  LayerResult layer(int layer, const LayerShape& shape, const Dropout& dropout,
                    const LayerParameters& weights, const at::Tensor& values,
                    const at::Tensor& x) override {
    return propagate_layer(adjacency_->of(values), work_.frontier, layer, shape, dropout, weights,
                           x, workspace_);
  }
  at::Tensor cf_loss(double lambda, const std::vector<at::Tensor>& parts) override {
    return cf_loss_sum(work_.rows, lambda, parts);
  }

 private:
  const std::shared_ptr<AdjacencyCache> adjacency_;  // the rank's, used again by its next batch
  const CfWork work_;
  Workspace workspace_;
};

class CpuOperators : public Operators {
 public:
  explicit CpuOperators(std::shared_ptr<const Graph> graph)
      : graph_(std::move(graph)), adjacency_(std::make_shared<AdjacencyCache>(graph_)) {}

  std::shared_ptr<Propagation> propagation(const CfWork& work) override {
    return std::make_shared<CpuPropagation>(adjacency_, work, workspace_);
  }
  at::Tensor kg_loss(const KgWork& work, double lambda, const at::Tensor& embeddings,
                     const at::Tensor& relations, const at::Tensor& matrices) override {
    return kg_loss_sum(work.samples, lambda, TableGradient::kRows, embeddings, relations, matrices,
                       workspace_);
  }
  at::Tensor attention(const at::Tensor& embeddings, const at::Tensor& relations,
                       const at::Tensor& matrices) override {
    return kgat::attention(*graph_, embeddings, relations, matrices);
  }
  MetricSums evaluate(const at::Tensor& representations, const Interactions& test,
                      const Interactions& known, std::span<const std::int32_t> users,
                      const std::vector<std::int32_t>& ks) override {
    return evaluate_on_cpu(*graph_, representations, test, known, users, ks);
  }

 private:
  const std::shared_ptr<const Graph> graph_;
  const std::shared_ptr<AdjacencyCache> adjacency_;
  Workspace workspace_;
};

// ------------------------------------------------------------------------------------- composed

using PatternPointer = std::shared_ptr<const composed::Pattern>;

class ComposedPropagation : public Propagation {
 public:
  ComposedPropagation(PatternPointer pattern, CfWork work)
      : pattern_(std::move(pattern)), work_(std::move(work)) {}

  LayerResult layer(int layer, const LayerShape& shape, const Dropout& dropout,
                    const LayerParameters& weights, const at::Tensor& values,
                    const at::Tensor& x) override {
    return composed::propagate_layer(*pattern_, values, *work_.frontier, layer, shape, dropout,
                                     weights, x);
  }
  at::Tensor cf_loss(double lambda, const std::vector<at::Tensor>& parts) override {
    return composed::cf_loss_sum(*work_.rows, lambda, parts);
  }

 private:
  const PatternPointer pattern_;
  const CfWork work_;
};

class ComposedOperators : public Operators {
 public:
  ComposedOperators(std::shared_ptr<const Graph> graph, at::Device device)
      : pattern_(std::make_shared<const composed::Pattern>(
            composed::Pattern::make(std::move(graph), device))) {}

  std::shared_ptr<Propagation> propagation(const CfWork& work) override {
    return std::make_shared<ComposedPropagation>(pattern_, work);
  }
  at::Tensor kg_loss(const KgWork& work, double lambda, const at::Tensor& embeddings,
                     const at::Tensor& relations, const at::Tensor& matrices) override {
    return composed::kg_loss_sum(work.samples, lambda, TableGradient::kRows, embeddings, relations,
                                 matrices);
  }
  at::Tensor attention(const at::Tensor& embeddings, const at::Tensor& relations,
                       const at::Tensor& matrices) override {
    return composed::attention(*pattern_, embeddings, relations, matrices);
  }
  MetricSums evaluate(const at::Tensor& representations, const Interactions& test,
                      const Interactions& known, std::span<const std::int32_t> users,
                      const std::vector<std::int32_t>& ks) override {
    return evaluate_on_cpu(*pattern_->graph, representations, test, known, users, ks);
  }

 private:
  const PatternPointer pattern_;
};

}  // namespace

std::unique_ptr<Operators> make_cpu_operators(std::shared_ptr<const Graph> graph) {
  return std::make_unique<CpuOperators>(std::move(graph));
}

std::unique_ptr<Operators> make_composed_operators(std::shared_ptr<const Graph> graph,
                                                   at::Device device) {
  return std::make_unique<ComposedOperators>(std::move(graph), device);
}

}  // namespace kgat
