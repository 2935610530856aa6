// KGAT on a tiny graph against golden/golden.json, which make_golden.py computed in double
// precision from the paper's equations, independently of this code.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <nlohmann/json.hpp>

#include "evaluation.h"
#include "functions.h"
#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;
using nlohmann::json;

constexpr double kTolerance = 1e-5;

const json& golden() {
  static const json content = [] {
    std::ifstream file(KGAT_GOLDEN_FILE);
    return json::parse(file);
  }();
  return content;
}

std::vector<double> numbers(const json& list) { return list.get<std::vector<double>>(); }

at::Tensor parameter(const json& list, std::vector<std::int64_t> sizes) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  const auto values = numbers(list);
  REQUIRE(static_cast<std::int64_t>(values.size()) == out.numel());
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out.requires_grad_(true);
}

std::vector<float> values_of(const at::Tensor& t) {
  const float* data = t.const_data_ptr<float>();
  return {data, data + t.numel()};
}

Interactions interactions(const json& lists) {
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  for (std::size_t user = 0; user < lists.size(); ++user) {
    for (const auto& item : lists[user]) {
      pairs.emplace_back(static_cast<std::int32_t>(user), item.get<std::int32_t>());
    }
  }
  return make_interactions(pairs, static_cast<std::int32_t>(lists.size()));
}

Dataset dataset() {
  std::vector<Triple> triples;
  for (const auto& t : golden()["triples"]) triples.push_back({t[0], t[1], t[2]});
  return make_dataset(interactions(golden()["train"]), interactions(golden()["test"]),
                      make_triples(triples), golden()["counts"]["items"]);
}

struct Golden {
  Dataset data = dataset();
  std::shared_ptr<const Graph> graph = std::make_shared<const Graph>(Graph::build(data));
  std::int64_t d = golden()["d"], k = golden()["k"];
  at::Tensor emb = parameter(golden()["emb"], {graph->n_nodes, d});
  at::Tensor rel = parameter(golden()["rel"], {graph->n_relations, k});
  at::Tensor mats = parameter(golden()["mats"], {graph->n_relations, d, k});
  Workspace workspace;
};

TEST_CASE("golden: the graph and its first values") {
  const Golden g;
  const json& edges = golden()["edges"];
  REQUIRE(g.graph->n_edges() == static_cast<std::int64_t>(edges.size()));
  std::size_t at = 0;
  for (std::int32_t head = 0; head < g.graph->n_nodes; ++head) {
    for (std::int32_t e = g.graph->offsets[head]; e < g.graph->offsets[head + 1]; ++e, ++at) {
      CHECK(edges[at] == json({head, g.graph->relation_of(head, e), g.graph->tails[e]}));
    }
  }
  CHECK(distance(initial_values(*g.graph), numbers(golden()["initial_values"])) < kTolerance);
}

TEST_CASE("golden: attention values") {
  const Golden g;
  CHECK(distance(values_of(attention(*g.graph, g.emb, g.rel, g.mats)),
                 numbers(golden()["attention"])) < kTolerance);
}

TEST_CASE("golden: the KG loss and its gradients") {
  Golden g;
  KgBatch batch;
  for (const auto& row : golden()["kg"]) {
    batch.heads.push_back(row[0]);
    batch.relations.push_back(row[1]);
    batch.positives.push_back(row[2]);
    batch.negatives.push_back(row[3]);
  }
  const at::Tensor loss = kg_loss_sum(batch, golden()["lambda"], TableGradient::kDense, g.emb,
                                      g.rel, g.mats, g.workspace);
  CHECK(loss.item<float>() == Approx(golden()["kg_loss"].get<double>()).epsilon(kTolerance));
  loss.backward();
  const json& gradients = golden()["kg_gradients"];
  CHECK(distance(values_of(g.emb.grad()), numbers(gradients["emb"])) < kTolerance);
  CHECK(distance(values_of(g.rel.grad()), numbers(gradients["rel"])) < kTolerance);
  CHECK(distance(values_of(g.mats.grad()), numbers(gradients["mats"])) < kTolerance);
}

/// The layers of one aggregator, from the golden parameters.
struct Layers {
  const json& content;
  std::vector<LayerShape> shapes;
  std::vector<std::pair<std::string, at::Tensor>> named;
  std::vector<LayerParameters> parameters;

  Layers(const std::string& name, std::int32_t d) : content(golden()["aggregators"][name]) {
    const Aggregator aggregator = name == "bi"    ? Aggregator::kBi
                                  : name == "gcn" ? Aggregator::kGcn
                                                  : Aggregator::kGraphSage;
    for (std::size_t layer = 0; layer < golden()["layers"].size(); ++layer) {
      const LayerShape shape{aggregator, d, golden()["layers"][layer],
                             golden()["slope"].get<float>()};
      const auto suffix = "_" + std::to_string(layer + 1);
      const auto take = [&](const std::string& key, std::vector<std::int64_t> sizes) {
        named.emplace_back(key + suffix, parameter(content["parameters"][key + suffix], sizes));
        return named.back().second;
      };
      LayerParameters out;
      out.w1 = take("w1", {shape.d_out, shape.depth()});
      out.b1 = take("b1", {shape.d_out});
      if (shape.two_products()) {
        out.w2 = take("w2", {shape.d_out, shape.depth()});
        out.b2 = take("b2", {shape.d_out});
      }
      shapes.push_back(shape);
      parameters.push_back(out);
      d = shape.d_out;
    }
  }

  std::vector<at::Tensor> parts(Golden& g, const Adjacency& adjacency,
                                const std::shared_ptr<const Frontier>& frontier, double rate) {
    std::vector<at::Tensor> out;
    at::Tensor x = g.emb;
    for (std::size_t layer = 1; layer <= shapes.size(); ++layer) {
      const auto dropout = Dropout::make(
          rate, trainhost::Random(golden()["seed"].get<std::uint64_t>(), "kgat.dropout"),
          golden()["step"], static_cast<std::uint16_t>(layer));
      const LayerResult result =
          propagate_layer(adjacency, frontier, static_cast<int>(layer), shapes[layer - 1], dropout,
                          parameters[layer - 1], x, g.workspace);
      if (layer == 1) out.push_back(result.x_rows);
      out.push_back(result.z);
      x = result.y;
    }
    return out;
  }
};

void check_metrics(const MetricSums& sums, const json& expected) {
  CHECK(sums.users == expected["users"].get<std::int64_t>());
  for (const auto& [name, value] : sums.averages()) {
    INFO(name);
    CHECK(value == Approx(expected[name].get<double>()).margin(kTolerance));
  }
}

TEST_CASE("golden: propagation, CF loss, gradients and metrics of the three aggregators") {
  for (const std::string name : {"bi", "gcn", "graphsage"}) {
    INFO(name);
    Golden g;
    Layers layers(name, static_cast<std::int32_t>(g.d));
    const json& expected = layers.content;
    const FrontierBuilder builder(*g.graph);
    const Adjacency adjacency = Adjacency::make(g.graph, attention(*g.graph, g.emb, g.rel, g.mats));
    const int n_layers = static_cast<int>(layers.shapes.size());
    {
      const at::NoGradGuard guard;
      const auto whole = std::make_shared<const Frontier>(builder.whole(n_layers));
      const at::Tensor table = at::cat(layers.parts(g, adjacency, whole, 0.0), 1);
      CHECK(distance(values_of(table), numbers(expected["table"])) < kTolerance);
      const auto width = static_cast<std::int32_t>(table.size(1));
      const float* rows = table.const_data_ptr<float>();
      const Ranking ranking{rows + std::ptrdiff_t{g.graph->n_entities} * width, rows,
                            g.data.n_items, width};
      check_metrics(
          evaluate(ranking, g.data.test, g.data.train, users_with_items(g.data.test), {5, 10, 20}),
          expected["metrics"]);
    }
    CfBatch batch;
    for (const auto& row : golden()["cf"]) {
      batch.users.push_back(row[0].get<std::int32_t>() - g.graph->n_entities);
      batch.positives.push_back(row[1]);
      batch.negatives.push_back(row[2]);
    }
    const auto frontier =
        std::make_shared<const Frontier>(builder.build(nodes_of(*g.graph, batch), n_layers));
    const double rate = expected["dropout"].get<bool>() ? golden()["dropout"].get<double>() : 0.0;
    const at::Tensor loss =
        cf_loss_sum(std::make_shared<const CfRows>(rows_of(*g.graph, *frontier, batch)),
                    golden()["lambda"], layers.parts(g, adjacency, frontier, rate));
    CHECK(loss.item<float>() == Approx(expected["loss"].get<double>()).epsilon(kTolerance));
    loss.backward();
    CHECK(distance(values_of(g.emb.grad()), numbers(expected["gradients"]["emb"])) < kTolerance);
    for (const auto& [key, tensor] : layers.named) {
      INFO(key);
      CHECK(distance(values_of(tensor.grad()), numbers(expected["gradients"][key])) < kTolerance);
    }
  }
}

TEST_CASE("golden: popularity") {
  const Dataset data = dataset();
  check_metrics(evaluate_popularity(data.train, data.n_items, data.test, data.train,
                                    users_with_items(data.test), {5, 10, 20}),
                golden()["popularity"]);
}

}  // namespace
