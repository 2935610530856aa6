#include "functions.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <omp.h>

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
  const float* data = t.const_data_ptr<float>();
  return {data, data + t.numel()};
}

/// A model of two layers on a random graph.
struct Model {
  std::shared_ptr<const Graph> graph;
  FrontierBuilder builder;
  Adjacency adjacency;
  Workspace workspace;
  at::Tensor embeddings;
  std::vector<LayerShape> shapes;
  std::vector<LayerParameters> layers;

  explicit Model(Aggregator aggregator = Aggregator::kBi, std::int32_t n_users = 2500)
      : graph(std::make_shared<const Graph>(
            Graph::build(random_dataset(n_users, 400, 900, true, 1)))),
        builder(*graph) {
    at::Tensor values = at::empty({graph->n_edges()}, at::kFloat);
    const auto initial = initial_values(*graph);
    std::copy(initial.begin(), initial.end(), values.data_ptr<float>());
    adjacency = Adjacency::make(graph, values);
    embeddings = tensor({graph->n_nodes, 16}, 0.5F, 1);
    for (const auto& [in, out] : {std::pair{16, 16}, {16, 8}}) {
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

  at::Tensor loss(const CfBatch& batch, const Frontier& levels) {
    const auto frontier = std::make_shared<const Frontier>(levels);
    std::vector<at::Tensor> parts;
    at::Tensor x = embeddings;
    for (int layer = 1; layer <= 2; ++layer) {
      const auto at = static_cast<std::size_t>(layer) - 1;
      const auto dropout =
          Dropout::make(0.1, trainhost::Random(1, "d"), 3, static_cast<std::uint16_t>(layer));
      const LayerResult result = propagate_layer(adjacency, frontier, layer, shapes[at], dropout,
                                                 layers[at], x, workspace);
      if (layer == 1) parts.push_back(result.x_rows);
      parts.push_back(result.z);
      x = result.y;
    }
    return cf_loss_sum(std::make_shared<const CfRows>(rows_of(*graph, *frontier, batch)), 1e-3,
                       parts);
  }
  std::vector<at::Tensor> parameters() const {
    std::vector<at::Tensor> out{embeddings};
    for (const LayerParameters& layer : layers) {
      for (const at::Tensor& t : {layer.w1, layer.b1, layer.w2, layer.b2}) {
        if (t.defined()) out.push_back(t);
      }
    }
    return out;
  }
  std::vector<std::vector<float>> gradients(const CfBatch& batch, const Frontier& frontier) {
    loss(batch, frontier).backward();
    std::vector<std::vector<float>> out;
    for (const at::Tensor& parameter : parameters()) {
      REQUIRE(parameter.grad().defined());
      out.push_back(values_of(parameter.grad()));
      parameter.mutable_grad().reset();
    }
    return out;
  }
};

const CfBatch kBatch{{1, 5, 2000}, {0, 17, 0}, {3, 0, 390}};

TEST_CASE("pruned and whole frontiers give the same loss and gradients") {
  for (const auto aggregator : {Aggregator::kBi, Aggregator::kGcn, Aggregator::kGraphSage}) {
    Model model(aggregator);
    const Frontier pruned = model.builder.build(nodes_of(*model.graph, kBatch), 2);
    const Frontier whole = model.builder.whole(2);
    CHECK(pruned.batch().size == 7);
    CHECK(model.loss(kBatch, pruned).item<float>() ==
          Approx(model.loss(kBatch, whole).item<float>()).epsilon(1e-6));
    const auto a = model.gradients(kBatch, pruned), b = model.gradients(kBatch, whole);
    for (std::size_t p = 0; p < a.size(); ++p) CHECK(distance(a[p], b[p]) < 1e-5);
  }
}

TEST_CASE("gradients repeat in every bit, for any number of threads") {
  Model model;
  const Frontier frontier = model.builder.build(nodes_of(*model.graph, kBatch), 2);
  const auto first = model.gradients(kBatch, frontier);
  CHECK(model.gradients(kBatch, frontier) == first);
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  CHECK(model.gradients(kBatch, frontier) == first);
  omp_set_num_threads(before);
}

TEST_CASE("gradients add up over slices of a batch, one of them empty") {
  Model model;
  const auto frontier_of = [&](const CfBatch& batch) {
    return model.builder.build(nodes_of(*model.graph, batch), 2);
  };
  const CfBatch left{{1, 5}, {0, 17}, {3, 0}}, right{{2000}, {0}, {390}}, none;
  const auto whole = model.gradients(kBatch, frontier_of(kBatch));
  CHECK(model.loss(none, frontier_of(none)).item<float>() == 0.0F);
  for (const auto& gradient : model.gradients(none, frontier_of(none))) {
    CHECK(gradient == std::vector<float>(gradient.size(), 0.0F));
  }
  for (const CfBatch& slice : {left, right, none}) {
    model.loss(slice, frontier_of(slice)).backward();
  }
  const auto parameters = model.parameters();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    CHECK(distance(values_of(parameters[p].grad()), whole[p]) < 1e-5);
  }
}

TEST_CASE("a layer feeds two readers: gradients of y and z are both followed") {
  Model model(Aggregator::kGcn, 300);
  const auto frontier = std::make_shared<const Frontier>(model.builder.whole(1));
  const auto run = [&] {
    return propagate_layer(model.adjacency, frontier, 1, model.shapes[0],
                           Dropout::make(0, trainhost::Random(1, "d"), 0, 1), model.layers[0],
                           model.embeddings, model.workspace);
  };
  const auto gradient = [&](const at::Tensor& loss) {
    loss.backward();
    auto out = values_of(model.embeddings.grad());
    model.embeddings.mutable_grad().reset();
    return out;
  };
  const auto weigh = [](const at::Tensor& t) { return t.mul(t).sum().mul(0.5); };
  LayerResult one = run(), two = run(), three = run();
  auto y = gradient(weigh(one.y));
  const auto x = gradient(weigh(two.x_rows));
  const auto both = gradient(weigh(three.y).add(weigh(three.x_rows)));
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += x[i];
  CHECK(distance(both, y) < 1e-5);
  CHECK(distance(x, values_of(model.embeddings)) < 1e-6);
}

TEST_CASE("without gradients nothing is kept") {
  Model model;
  const at::NoGradGuard guard;
  const at::Tensor loss = model.loss(kBatch, model.builder.whole(2));
  CHECK_FALSE(loss.requires_grad());
}

TEST_CASE("the KG loss gives its table gradient dense or by rows") {
  Model model;
  const at::Tensor relations = tensor({model.graph->n_relations, 12}, 0.5F, 8);
  const at::Tensor matrices = tensor({model.graph->n_relations, 16, 12}, 0.5F, 9);
  KgBatch batch;
  KgSampler(*model.graph, 1).sample(0, 0, 64, batch);
  const auto table = [&](TableGradient form) {
    kg_loss_sum(batch, 0.01, form, model.embeddings, relations, matrices, model.workspace)
        .mul(0.25)
        .backward();
    const at::Tensor out = model.embeddings.grad();
    model.embeddings.mutable_grad().reset();
    return out;
  };
  const at::Tensor dense = table(TableGradient::kDense), rows = table(TableGradient::kRows);
  REQUIRE(rows.is_sparse());
  const std::int64_t* nodes = rows._indices().const_data_ptr<std::int64_t>();
  for (std::int64_t i = 1; i < rows._nnz(); ++i) REQUIRE(nodes[i - 1] < nodes[i]);
  CHECK(values_of(rows.to_dense()) == values_of(dense));
  CHECK(relations.grad().defined());
  CHECK(matrices.grad().sizes() == matrices.sizes());
  batch = {};
  CHECK(values_of(table(TableGradient::kDense)) ==
        std::vector<float>(static_cast<std::size_t>(dense.numel()), 0.0F));
}

TEST_CASE("tensors of the wrong shape are refused by name") {
  Model model;
  const auto frontier = std::make_shared<const Frontier>(model.builder.whole(1));
  const auto dropout = Dropout::make(0, trainhost::Random(1, "d"), 0, 1);
  try {
    propagate_layer(model.adjacency, frontier, 1, model.shapes[0], dropout, model.layers[0],
                    at::zeros({3, 16}), model.workspace);
    FAIL("no error");
  } catch (const trainhost::Error& error) {
    CHECK(std::string(error.what()).find("tensor 'x' does not fit") != std::string::npos);
  }
  CHECK_THROWS_AS(Adjacency::make(model.graph, at::zeros({3})), trainhost::Error);
  CHECK_THROWS_AS(attention(*model.graph, model.embeddings, at::zeros({2, 4}), at::zeros({2, 4})),
                  trainhost::Error);
}

TEST_CASE("the workspace uses memory again") {
  Workspace workspace;
  const at::Tensor held = workspace.floats(1 << 20, 1);
  const void* first = nullptr;
  {
    const at::Tensor t = workspace.floats(1 << 20, 1);
    first = t.data_ptr();
    CHECK(first != held.data_ptr());
  }
  CHECK(workspace.floats(1 << 20, 1).data_ptr() == first);
  CHECK(workspace.bytes(0, 5).numel() == 0);
}

}  // namespace
