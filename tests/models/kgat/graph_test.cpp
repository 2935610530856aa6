#include "graph.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "frontier.h"
#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

using Edge = std::tuple<std::int32_t, std::int32_t, std::int32_t>;

std::vector<Edge> edges_of(const Graph& graph) {
  std::vector<Edge> out;
  for (std::int32_t head = 0; head < graph.n_nodes; ++head) {
    for (std::int32_t e = graph.offsets[head]; e < graph.offsets[head + 1]; ++e) {
      out.emplace_back(head, graph.relation_of(head, e), graph.tails[e]);
    }
  }
  return out;
}

Dataset tiny() {
  return make_dataset(
      make_interactions(std::vector<std::pair<std::int32_t, std::int32_t>>{{0, 1}, {0, 0}, {1, 1}},
                        2),
      make_interactions({}, 2), make_triples({{0, 0, 2}, {0, 1, 2}, {2, 1, 2}}), 2);
}

TEST_CASE("a graph holds every fact and its inverse, sorted") {
  const Graph graph = Graph::build(tiny());
  CHECK(graph.n_nodes == 5);
  CHECK(graph.n_relations == 6);
  const std::vector<Edge> expected{{0, 1, 3}, {0, 2, 2}, {0, 3, 2}, {1, 1, 3},
                                   {1, 1, 4}, {2, 3, 2}, {2, 4, 0}, {2, 5, 0},
                                   {2, 5, 2}, {3, 0, 0}, {3, 0, 1}, {4, 0, 1}};
  CHECK(edges_of(graph) == expected);
  CHECK(graph.heads == std::vector<std::int32_t>{0, 1, 2, 3, 4});
  for (std::int32_t r = 0; r < 6; ++r) CHECK(graph.inverse(graph.inverse(r)) == r);
  CHECK(graph.tails_of(2, 5).size() == 2);
  CHECK(graph.tails_of(1, 5).empty());
  CHECK(graph.tails_of(3, 2).empty());
}

TEST_CASE("the permutation pairs every edge with its inverse") {
  const Graph graph = Graph::build(random_dataset(300, 40, 90, true, 1));
  const auto edges = edges_of(graph);
  CHECK(std::is_sorted(edges.begin(), edges.end()));
  CHECK(std::set<Edge>(edges.begin(), edges.end()).size() == edges.size());
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const auto& [h, r, t] = edges[e];
    const auto back = static_cast<std::size_t>(graph.transposed[e]);
    REQUIRE(edges[back] == Edge(t, graph.inverse(r), h));
    REQUIRE(graph.transposed[back] == static_cast<std::int32_t>(e));
  }
}

TEST_CASE("groups by relation visit every group once, in order") {
  const Graph graph = Graph::build(random_dataset(300, 40, 90, true, 2));
  std::vector<std::pair<std::int32_t, std::int32_t>> visited;
  for (const std::int32_t group : graph.by_relation) {
    visited.emplace_back(graph.group_relation[group], group);
  }
  CHECK(std::is_sorted(visited.begin(), visited.end()));
  CHECK(static_cast<std::int32_t>(visited.size()) == graph.n_groups());
}

TEST_CASE("initial rows sum to the number of relation types") {
  const Graph graph = Graph::build(tiny());
  const std::vector<float> values = initial_values(graph);
  const std::vector<float> sums{3, 1, 3, 1, 1};
  for (std::int32_t node = 0; node < graph.n_nodes; ++node) {
    float sum = 0;
    for (std::int32_t e = graph.offsets[node]; e < graph.offsets[node + 1]; ++e) sum += values[e];
    CHECK(sum == Approx(sums[node]));
  }
}

TEST_CASE("a graph without a knowledge graph has the two relations of interactions") {
  const Graph graph = Graph::build(
      make_dataset(make_interactions(std::vector<std::pair<std::int32_t, std::int32_t>>{{0, 0}}, 1),
                   make_interactions({}, 1), make_triples({}), 1));
  CHECK(graph.n_relations == 2);
  CHECK(edges_of(graph) == std::vector<Edge>{{0, 1, 1}, {1, 0, 0}});
}

TEST_CASE("a frontier holds the neighbours of the level after it") {
  const Graph graph = Graph::build(random_dataset(2000, 400, 900, false, 3));
  const FrontierBuilder builder(graph);
  const std::vector<std::int32_t> batch{graph.user_node(5), 7, 7, graph.user_node(1)};
  const Frontier frontier = builder.build(batch, 3);
  REQUIRE(frontier.levels.size() == 4);
  CHECK(frontier.level(0).all);
  CHECK(frontier.batch().rows ==
        std::vector<std::int32_t>{7, graph.user_node(1), graph.user_node(5)});
  for (std::size_t layer = 3; layer > 0; --layer) {
    const Level &out = frontier.level(layer), &in = frontier.level(layer - 1);
    if (out.all) continue;
    std::set<std::int32_t> expected(out.rows.begin(), out.rows.end());
    for (const std::int32_t node : out.rows) {
      expected.insert(graph.tails.begin() + graph.offsets[node],
                      graph.tails.begin() + graph.offsets[node + 1]);
    }
    for (const std::int32_t node : expected) REQUIRE(in.row(node) >= 0);
    if (!in.all) CHECK(in.rows == std::vector<std::int32_t>(expected.begin(), expected.end()));
  }
}

TEST_CASE("chunks cover a level, also an empty one") {
  const Graph graph = Graph::build(random_dataset(3000, 400, 900, true, 4));
  for (const Level& level : {Level::everything(graph), Level::of(graph, {}), Level::of(graph, {3}),
                             Level::of(graph, {0, 5, 9, graph.n_nodes - 1})}) {
    CHECK(level.chunks.front() == 0);
    CHECK(level.chunks.back() == level.size);
    CHECK(std::is_sorted(level.chunks.begin(), level.chunks.end()));
  }
  CHECK(Level::everything(graph).hubs == std::vector<std::int32_t>{0});
  const FrontierBuilder builder(graph);
  CHECK(builder.build({}, 3).batch().size == 0);
}

}  // namespace
