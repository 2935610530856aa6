// KGAT of ATen operations against KGAT's own kernels, on the CPU: the same numbers to rounding.
#include "composed.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

at::Tensor tensor(std::vector<std::int64_t> sizes, float scale, std::uint64_t seed) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  const auto values = noise(static_cast<std::size_t>(out.numel()), scale, seed);
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out.requires_grad_(true);
}

std::vector<float> values_of(const at::Tensor& t) {
  const at::Tensor dense = (t.is_sparse() ? t.to_dense() : t).contiguous();
  const float* data = dense.const_data_ptr<float>();
  return {data, data + dense.numel()};
}

struct Parts {
  std::shared_ptr<const Graph> graph;
  FrontierBuilder builder;
  composed::Pattern pattern;
  at::Tensor values, embeddings, relations, matrices;
  Adjacency adjacency;
  Workspace workspace;

  explicit Parts(std::int32_t users = 300)
      : graph(std::make_shared<const Graph>(Graph::build(random_dataset(users, 80, 200, true, 1)))),
        builder(*graph),
        pattern(composed::Pattern::make(graph, at::kCPU)) {
    values = at::empty({graph->n_edges()}, at::kFloat);
    const auto initial = initial_values(*graph);
    std::copy(initial.begin(), initial.end(), values.data_ptr<float>());
    adjacency = Adjacency::make(graph, values);
    embeddings = tensor({graph->n_nodes, 20}, 0.5F, 1);
    relations = tensor({graph->n_relations, 12}, 0.5F, 8);
    matrices = tensor({graph->n_relations, 20, 12}, 0.5F, 9);
  }
};

struct Weights {
  std::vector<LayerShape> shapes;
  std::vector<LayerParameters> layers;

  explicit Weights(Aggregator aggregator) {
    for (const auto& [in, out] : {std::pair{20, 16}, {16, 9}}) {
      const LayerShape shape{aggregator, in, out, 0.2F};
      shapes.push_back(shape);
      LayerParameters layer{tensor({out, shape.depth()}, 0.4F, 2), tensor({out}, 0.1F, 3), {}, {}};
      if (shape.two_products()) {
        layer.w2 = tensor({out, shape.depth()}, 0.4F, 4);
        layer.b2 = tensor({out}, 0.1F, 5);
      }
      layers.push_back(layer);
    }
  }
};

/// The CF loss of two layers, and the gradients of all that has one; `own`: by KGAT's kernels.
std::vector<std::vector<float>> cf(Parts& parts, const Weights& weights, const CfBatch& batch,
                                   const std::shared_ptr<const Frontier>& frontier, double rate,
                                   bool own) {
  std::vector<at::Tensor> scores;
  at::Tensor x = parts.embeddings;
  for (int l = 1; l <= 2; ++l) {
    const auto at = static_cast<std::size_t>(l) - 1;
    const auto dropout =
        Dropout::make(rate, trainhost::Random(1, "d"), 3, static_cast<std::uint16_t>(l));
    const LayerResult result =
        own ? propagate_layer(parts.adjacency, frontier, l, weights.shapes[at], dropout,
                              weights.layers[at], x, parts.workspace)
            : composed::propagate_layer(parts.pattern, parts.values, *frontier, l,
                                        weights.shapes[at], dropout, weights.layers[at], x);
    if (l == 1) scores.push_back(result.x_rows);
    scores.push_back(result.z);
    x = result.y;
  }
  const auto rows = std::make_shared<const CfRows>(rows_of(*parts.graph, *frontier, batch));
  const at::Tensor loss =
      own ? cf_loss_sum(rows, 1e-3, scores) : composed::cf_loss_sum(*rows, 1e-3, scores);
  loss.backward();
  std::vector<std::vector<float>> out{values_of(loss.detach().view({1}))};
  std::vector<at::Tensor> leaves{parts.embeddings};
  for (const LayerParameters& layer : weights.layers) {
    for (const at::Tensor& t : {layer.w1, layer.b1, layer.w2, layer.b2}) {
      if (t.defined()) leaves.push_back(t);
    }
  }
  for (at::Tensor& leaf : leaves) {
    REQUIRE(leaf.grad().defined());
    out.push_back(values_of(leaf.grad()));
    leaf.mutable_grad().reset();
  }
  return out;
}

void check_equal(const std::vector<std::vector<float>>& a,
                 const std::vector<std::vector<float>>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("tensor " << i);
    CHECK(distance(a[i], b[i]) < 1e-5);
  }
}

const CfBatch kBatch{{1, 5, 200, 17}, {0, 17, 0, 3}, {3, 0, 79, 0}};

TEST_CASE("composed: propagation, CF loss and gradients are those of the kernels") {
  Parts parts;
  for (const auto aggregator : {Aggregator::kBi, Aggregator::kGcn, Aggregator::kGraphSage}) {
    const Weights weights(aggregator);
    const auto whole = std::make_shared<const Frontier>(parts.builder.whole(2));
    const auto pruned =
        std::make_shared<const Frontier>(parts.builder.build(nodes_of(*parts.graph, kBatch), 2));
    for (const auto& frontier : {whole, pruned}) {
      for (const double rate : {0.0, 0.3}) {
        check_equal(cf(parts, weights, kBatch, frontier, rate, false),
                    cf(parts, weights, kBatch, frontier, rate, true));
      }
    }
  }
}

TEST_CASE("composed: a batch without rows gives 0, and gradients of zeros") {
  Parts parts;
  const Weights weights(Aggregator::kBi);
  const CfBatch none;
  const auto frontier =
      std::make_shared<const Frontier>(parts.builder.build(nodes_of(*parts.graph, none), 2));
  for (const auto& values : cf(parts, weights, none, frontier, 0.1, false)) {
    CHECK(values == std::vector<float>(values.size(), 0.0F));
  }
}

std::vector<std::vector<float>> kg(Parts& parts, const KgBatch& batch, TableGradient form,
                                   bool own) {
  const at::Tensor loss = own ? kg_loss_sum(batch, 0.01, form, parts.embeddings, parts.relations,
                                            parts.matrices, parts.workspace)
                              : composed::kg_loss_sum(batch, 0.01, form, parts.embeddings,
                                                      parts.relations, parts.matrices);
  loss.mul(0.25).backward();
  std::vector<std::vector<float>> out{values_of(loss.detach().view({1}))};
  for (const at::Tensor& leaf : {parts.embeddings, parts.relations, parts.matrices}) {
    REQUIRE(leaf.grad().defined());
    out.push_back(values_of(leaf.grad()));
    leaf.mutable_grad().reset();
  }
  return out;
}

TEST_CASE("composed: the KG loss and its gradients are those of the kernels") {
  Parts parts;
  KgBatch batch;
  KgSampler(*parts.graph, 1).sample(0, 0, 200, batch);
  const auto expected = kg(parts, batch, TableGradient::kDense, true);
  check_equal(kg(parts, batch, TableGradient::kDense, false), expected);
  check_equal(kg(parts, batch, TableGradient::kRows, false), expected);
  const auto none = kg(parts, {}, TableGradient::kRows, false);
  for (const auto& values : none) CHECK(values == std::vector<float>(values.size(), 0.0F));
}

TEST_CASE("composed: the table's gradient comes by rows where that is asked for") {
  Parts parts;
  KgBatch batch;
  KgSampler(*parts.graph, 1).sample(0, 0, 8, batch);
  composed::kg_loss_sum(batch, 0.01, TableGradient::kRows, parts.embeddings, parts.relations,
                        parts.matrices)
      .backward();
  CHECK(parts.embeddings.grad().is_sparse());
}

TEST_CASE("composed: the attention is that of the kernels") {
  Parts parts;
  const at::NoGradGuard guard;
  const auto own = attention(*parts.graph, parts.embeddings, parts.relations, parts.matrices);
  const auto by_aten =
      composed::attention(parts.pattern, parts.embeddings, parts.relations, parts.matrices);
  CHECK(distance(values_of(by_aten), values_of(own)) < 1e-5);
}

}  // namespace
