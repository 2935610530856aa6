#include "graph.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string>

#include "trainhost/error.h"

namespace kgat {
namespace {

using Packed = std::uint64_t;  // relation << 32 | tail

Packed pack(std::int32_t relation, std::int32_t tail) {
  return static_cast<Packed>(relation) << 32 | static_cast<std::uint32_t>(tail);
}

void check_size(std::int64_t nodes, std::int64_t edges) {
  constexpr std::int64_t kLimit = std::numeric_limits<std::int32_t>::max();
  if (nodes < kLimit && edges < kLimit) return;
  throw trainhost::Error(
      trainhost::Failure::kUser,
      {.where = "the collaborative knowledge graph",
       .what = "the graph is too large",
       .expected = "fewer than 2^31 nodes and edges (each interaction and triple is two edges)",
       .got = std::to_string(nodes) + " nodes, " + std::to_string(edges) + " edges",
       .fix = "drop rare users, items or relations"});
}

/// Calls visit(head, relation, tail) for every edge and its inverse.
template <class Visit>
void each_edge(const Graph& graph, const Dataset& data, Visit visit) {
  for (std::int32_t user = 0; user < data.train.n_users(); ++user) {
    for (const std::int32_t item : data.train.of(user)) {
      visit(graph.user_node(user), 0, item);
      visit(item, 1, graph.user_node(user));
    }
  }
  for (const Triple& triple : data.triples.rows) {
    visit(triple.head, 2 + triple.relation, triple.tail);
    visit(triple.tail, graph.inverse(2 + triple.relation), triple.head);
  }
}

std::vector<Packed> sorted_edges(Graph& graph, const Dataset& data) {
  graph.offsets.assign(static_cast<std::size_t>(graph.n_nodes) + 1, 0);
  each_edge(graph, data, [&](std::int32_t head, std::int32_t, std::int32_t) {
    ++graph.offsets[static_cast<std::size_t>(head) + 1];
  });
  std::partial_sum(graph.offsets.begin(), graph.offsets.end(), graph.offsets.begin());
  std::vector<std::int32_t> next(graph.offsets.begin(), graph.offsets.end() - 1);
  std::vector<Packed> edges(static_cast<std::size_t>(graph.offsets.back()));
  each_edge(graph, data, [&](std::int32_t head, std::int32_t relation, std::int32_t tail) {
    auto& at = next[static_cast<std::size_t>(head)];
    edges[static_cast<std::size_t>(at++)] = pack(relation, tail);
  });
#pragma omp parallel for schedule(dynamic, 1024)
  for (std::int32_t node = 0; node < graph.n_nodes; ++node) {
    const auto at = static_cast<std::size_t>(node);
    std::sort(edges.begin() + graph.offsets[at], edges.begin() + graph.offsets[at + 1]);
  }
  return edges;
}

void make_groups(Graph& graph, const std::vector<Packed>& edges) {
  graph.node_groups.reserve(static_cast<std::size_t>(graph.n_nodes) + 1);
  for (std::int32_t node = 0; node < graph.n_nodes; ++node) {
    const auto at = static_cast<std::size_t>(node);
    graph.node_groups.push_back(graph.n_groups());
    if (graph.degree(node) > 0) graph.heads.push_back(node);
    for (std::int32_t e = graph.offsets[at]; e < graph.offsets[at + 1]; ++e) {
      const auto relation = static_cast<std::int32_t>(edges[static_cast<std::size_t>(e)] >> 32);
      if (e == graph.offsets[at] || relation != graph.group_relation.back()) {
        graph.group_offsets.push_back(e);
        graph.group_head.push_back(node);
        graph.group_relation.push_back(relation);
      }
    }
  }
  graph.node_groups.push_back(graph.n_groups());
  graph.group_offsets.push_back(graph.offsets.back());

  std::vector<std::int32_t> next(static_cast<std::size_t>(graph.n_relations) + 1, 0);
  for (const std::int32_t relation : graph.group_relation) {
    ++next[static_cast<std::size_t>(relation) + 1];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  graph.by_relation.resize(graph.group_head.size());
  for (std::int32_t group = 0; group < graph.n_groups(); ++group) {
    const auto relation =
        static_cast<std::size_t>(graph.group_relation[static_cast<std::size_t>(group)]);
    graph.by_relation[static_cast<std::size_t>(next[relation]++)] = group;
  }
}

void make_transposed(Graph& graph, const std::vector<Packed>& edges) {
  graph.transposed.resize(edges.size());
#pragma omp parallel for schedule(dynamic, 1024)
  for (std::int32_t head = 0; head < graph.n_nodes; ++head) {
    const auto at = static_cast<std::size_t>(head);
    for (std::int32_t e = graph.offsets[at]; e < graph.offsets[at + 1]; ++e) {
      const Packed edge = edges[static_cast<std::size_t>(e)];
      const auto tail = static_cast<std::size_t>(static_cast<std::uint32_t>(edge));
      const auto begin = edges.begin() + graph.offsets[tail];
      const auto end = edges.begin() + graph.offsets[tail + 1];
      const Packed wanted = pack(graph.inverse(static_cast<std::int32_t>(edge >> 32)), head);
      graph.transposed[static_cast<std::size_t>(e)] =
          static_cast<std::int32_t>(std::lower_bound(begin, end, wanted) - edges.begin());
    }
  }
}

}  // namespace

Graph Graph::build(const Dataset& data) {
  check_size(std::int64_t{data.n_entities} + data.n_users,
             2 * (data.train.size() + static_cast<std::int64_t>(data.triples.rows.size())));
  Graph graph;
  graph.n_users = data.n_users;
  graph.n_items = data.n_items;
  graph.n_entities = data.n_entities;
  graph.n_nodes = data.n_entities + data.n_users;
  graph.n_relations = 2 * (data.triples.n_relations + 1);
  const std::vector<Packed> edges = sorted_edges(graph, data);
  make_groups(graph, edges);
  make_transposed(graph, edges);
  graph.tails.resize(edges.size());
  std::transform(edges.begin(), edges.end(), graph.tails.begin(), [](Packed edge) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(edge));
  });
  return graph;
}

std::span<const std::int32_t> Graph::tails_of(std::int32_t head, std::int32_t relation) const {
  const auto at = static_cast<std::size_t>(head);
  const auto begin = group_relation.begin() + node_groups[at];
  const auto end = group_relation.begin() + node_groups[at + 1];
  const auto found = std::lower_bound(begin, end, relation);
  if (found == end || *found != relation) return {};
  const auto group = static_cast<std::size_t>(found - group_relation.begin());
  return {tails.data() + group_offsets[group],
          static_cast<std::size_t>(group_offsets[group + 1] - group_offsets[group])};
}

std::int32_t Graph::relation_of(std::int32_t head, std::int32_t edge) const {
  const auto at = static_cast<std::size_t>(head);
  const auto begin = group_offsets.begin() + node_groups[at];
  const auto end = group_offsets.begin() + node_groups[at + 1];
  const auto group = std::upper_bound(begin, end, edge) - group_offsets.begin() - 1;
  return group_relation[static_cast<std::size_t>(group)];
}

std::vector<float> initial_values(const Graph& graph) {
  std::vector<float> values(graph.tails.size());
  for (std::size_t group = 0; group < graph.group_head.size(); ++group) {
    const std::int32_t begin = graph.group_offsets[group], end = graph.group_offsets[group + 1];
    std::fill(values.begin() + begin, values.begin() + end, 1.0F / static_cast<float>(end - begin));
  }
  return values;
}

void transpose_values(const Graph& graph, const float* values, float* out) {
  const std::int64_t n_edges = graph.n_edges();
#pragma omp parallel for schedule(static)
  for (std::int64_t e = 0; e < n_edges; ++e) {
    out[e] = values[graph.transposed[static_cast<std::size_t>(e)]];
  }
}

}  // namespace kgat
