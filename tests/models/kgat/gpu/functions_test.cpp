// KGAT's functions on the GPU's kernels, run by emulation, against those on the CPU's kernels.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "emulated.h"
#include "gpu/differentiable.h"
#include "samplers.h"
#include "support.h"
#include "workspace.h"

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

/// A graph with hubs of more than kSegment edges, and parameters of an odd or an even width.
struct Parts {
  std::shared_ptr<const Graph> graph;
  FrontierBuilder builder;
  gpu::GraphPointer on_device;
  std::int32_t d, k;
  at::Tensor values, embeddings, relations, matrices;
  Adjacency adjacency;
  Workspace workspace;

  explicit Parts(std::int32_t d_ = 20, std::int32_t k_ = 12)
      : graph(std::make_shared<const Graph>(Graph::build(random_dataset(600, 80, 200, true, 1)))),
        builder(*graph),
        on_device(std::make_shared<gpu::DeviceGraph>(emulated_table(), graph, at::kCPU)),
        d(d_),
        k(k_) {
    values = at::empty({graph->n_edges()}, at::kFloat);
    const auto initial = initial_values(*graph);
    std::copy(initial.begin(), initial.end(), values.data_ptr<float>());
    adjacency = Adjacency::make(graph, values);
    embeddings = tensor({graph->n_nodes, d}, 0.5F, 1);
    relations = tensor({graph->n_relations, k}, 0.5F, 8);
    matrices = tensor({graph->n_relations, d, k}, 0.5F, 9);
  }
  gpu::Values device_values() const { return {values, on_device->transposed(values)}; }
};

struct Weights {
  std::vector<LayerShape> shapes;
  std::vector<LayerParameters> layers;

  Weights(Aggregator aggregator, std::int32_t d) {
    for (const auto& [in, out] : {std::pair{d, 16}, {16, 9}}) {
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

using FrontierPointer = std::shared_ptr<const Frontier>;

/// The CF loss of two layers, and the gradients of all that has one.
std::vector<std::vector<float>> cf(Parts& parts, const Weights& weights, const CfBatch& batch,
                                   const FrontierPointer& frontier, double rate, bool emulated) {
  const auto rows = std::make_shared<const CfRows>(rows_of(*parts.graph, *frontier, batch));
  const auto on_device = std::make_shared<const gpu::DeviceBatch>(
      *parts.on_device, gpu::BatchPlan::make(*parts.graph, *frontier, rows.get(), false));
  std::vector<at::Tensor> scores;
  at::Tensor x = parts.embeddings;
  for (int l = 1; l <= 2; ++l) {
    const auto at = static_cast<std::size_t>(l) - 1;
    const auto dropout =
        Dropout::make(rate, trainhost::Random(1, "d"), 3, static_cast<std::uint16_t>(l));
    const LayerResult result =
        emulated ? gpu::propagate_layer(parts.on_device, parts.device_values(), on_device, l,
                                        weights.shapes[at], dropout, weights.layers[at], x)
                 : propagate_layer(parts.adjacency, frontier, l, weights.shapes[at], dropout,
                                   weights.layers[at], x, parts.workspace);
    if (l == 1) scores.push_back(result.x_rows);
    scores.push_back(result.z);
    x = result.y;
  }
  const at::Tensor loss = emulated ? gpu::cf_loss_sum(parts.on_device, on_device, 1e-3, scores)
                                   : cf_loss_sum(rows, 1e-3, scores);
  loss.mul(0.5).backward();
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

const CfBatch kBatch{{1, 5, 200, 17, 1}, {0, 17, 0, 3, 0}, {3, 0, 79, 0, 79}};

TEST_CASE("gpu: propagation, CF loss and gradients are those of the CPU's kernels") {
  const auto aggregator = GENERATE(Aggregator::kBi, Aggregator::kGcn, Aggregator::kGraphSage);
  const int d = GENERATE(20, 7);
  const double rate = GENERATE(0.0, 0.3);
  Parts parts(d);
  REQUIRE(parts.on_device->all_rows().n_long > 0);
  const Weights weights(aggregator, d);
  const FrontierPointer frontiers[] = {
      std::make_shared<const Frontier>(parts.builder.whole(2)),
      std::make_shared<const Frontier>(parts.builder.build(nodes_of(*parts.graph, kBatch), 2))};
  for (const FrontierPointer& frontier : frontiers) {
    INFO("aggregator " << static_cast<int>(aggregator) << ", d " << d << ", rate " << rate);
    const auto found = cf(parts, weights, kBatch, frontier, rate, true);
    check_equal(found, cf(parts, weights, kBatch, frontier, rate, false));
    CHECK(cf(parts, weights, kBatch, frontier, rate, true) == found);  // the same bits again
  }
}

TEST_CASE("gpu: a batch without rows gives 0, and gradients of zeros") {
  Parts parts;
  const Weights weights(Aggregator::kBi, parts.d);
  const CfBatch none;
  const auto frontier =
      std::make_shared<const Frontier>(parts.builder.build(nodes_of(*parts.graph, none), 2));
  for (const auto& values : cf(parts, weights, none, frontier, 0.1, true)) {
    CHECK(values == std::vector<float>(values.size(), 0.0F));
  }
}

std::vector<std::vector<float>> kg(Parts& parts, const KgBatch& batch, TableGradient form,
                                   bool emulated) {
  const gpu::KgPlan plan = gpu::KgPlan::make(batch, parts.graph->n_relations, false);
  const at::Tensor loss = emulated
                              ? gpu::kg_loss_sum(parts.on_device, plan, 0.01, form,
                                                 parts.embeddings, parts.relations, parts.matrices)
                              : kg_loss_sum(batch, 0.01, form, parts.embeddings, parts.relations,
                                            parts.matrices, parts.workspace);
  loss.mul(0.25).backward();
  std::vector<std::vector<float>> out{values_of(loss.detach().view({1}))};
  for (const at::Tensor& leaf : {parts.embeddings, parts.relations, parts.matrices}) {
    REQUIRE(leaf.grad().defined());
    out.push_back(values_of(leaf.grad()));
    leaf.mutable_grad().reset();
  }
  return out;
}

TEST_CASE("gpu: the KG loss and its gradients are those of the CPU's kernels") {
  const auto [d, k] = GENERATE(std::pair{20, 12}, std::pair{65, 33}, std::pair{7, 130});
  Parts parts(d, k);
  KgBatch batch;
  KgSampler(*parts.graph, 1).sample(0, 0, 300, batch);
  const auto expected = kg(parts, batch, TableGradient::kDense, false);
  check_equal(kg(parts, batch, TableGradient::kDense, true), expected);
  check_equal(kg(parts, batch, TableGradient::kRows, true), expected);
  const auto none = kg(parts, {}, TableGradient::kRows, true);
  for (const auto& values : none) CHECK(values == std::vector<float>(values.size(), 0.0F));
}

TEST_CASE("gpu: the attention is that of the CPU's kernels") {
  const auto [d, k] = GENERATE(std::pair{20, 12}, std::pair{65, 33});
  Parts parts(d, k);
  const at::NoGradGuard guard;
  const auto own = attention(*parts.graph, parts.embeddings, parts.relations, parts.matrices);
  const auto found =
      gpu::attention(*parts.on_device, parts.embeddings, parts.relations, parts.matrices);
  CHECK(distance(values_of(found), values_of(own)) < 1e-5);
}

TEST_CASE("gpu: tensors that do not fit are refused") {
  Parts parts;
  const auto half = parts.embeddings.detach().to(at::kHalf);
  CHECK_THROWS_AS(gpu::attention(*parts.on_device, half, parts.relations, parts.matrices),
                  trainhost::Error);
  CHECK_THROWS_AS(gpu::attention(*parts.on_device, parts.embeddings.detach().narrow(0, 1, 9),
                                 parts.relations, parts.matrices),
                  trainhost::Error);
}

TEST_CASE("gpu: evaluation ranks as on the CPU") {
  Parts parts;
  const at::NoGradGuard guard;
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs, known_pairs;
  for (std::int32_t user = 0; user < 150; user += 3) {
    pairs.emplace_back(user, user % 80);
    for (std::int32_t item = 0; item < user % 20; ++item) known_pairs.emplace_back(user, 4 * item);
  }
  const Interactions test = make_interactions(pairs, 600),
                     known = make_interactions(known_pairs, 600);
  const auto users = users_with_items(test);
  const float* rows = parts.embeddings.const_data_ptr<float>();
  const MetricSums expected =
      evaluate({rows + std::ptrdiff_t{parts.graph->n_entities} * parts.d, rows, 80, parts.d}, test,
               known, users, {5, 20});
  for (const std::int64_t bytes : {1, 7 * 80 * 4, 1 << 20}) {  // blocks of 1, 7 and all users
    const MetricSums found =
        evaluate_ranked(gpu::ranker(*parts.on_device, parts.embeddings.detach(), bytes), test,
                        known, users, {5, 20});
    CHECK(found.users == expected.users);
    CHECK(distance(found.flat(), expected.flat()) < 1e-9);
  }
}

}  // namespace
