// Graph: the collaborative knowledge graph (KGAT, Wang et al. 2019, section 2) as compressed rows.
//
// Nodes are the entities first (an item is the entity with the same id) and then the users: user u
// is node n_entities + u. Relations: 0 is `interact` (user → item), 1 its inverse, 2 + r the
// relation r of the knowledge graph, 2 + n_kg + r its inverse: 2 (n_kg + 1) in all. Every edge has
// its inverse, so the pattern of the adjacency is symmetric: one pattern and a permutation of the
// edges serve a product with the matrix and with its transpose. Edges of one head and tail that
// differ in the relation are edges of their own, and the attention's softmax is over all edges of
// a head.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataset.h"

namespace kgat {

/// Purpose: the pattern of all sparse products, the attention and the KG sampler.
/// Owner: owns its arrays. Threads and ranks: immutable after build(), equal on all ranks.
struct Graph {
  std::int32_t n_users = 0, n_items = 0, n_entities = 0, n_nodes = 0;
  std::int32_t n_relations = 0;  // with inverses

  // Edges, sorted by (head, relation, tail).
  std::vector<std::int32_t> offsets;     // [n_nodes + 1]
  std::vector<std::int32_t> tails;       // [n_edges]
  std::vector<std::int32_t> transposed;  // [n_edges] edge (h, r, t) → edge (t, inverse of r, h)

  // Runs of edges with one head and one relation, in the order of the edges.
  std::vector<std::int32_t> node_groups;     // [n_nodes + 1] groups of a head
  std::vector<std::int32_t> group_offsets;   // [n_groups + 1] edges of a group
  std::vector<std::int32_t> group_head;      // [n_groups]
  std::vector<std::int32_t> group_relation;  // [n_groups]
  std::vector<std::int32_t> by_relation;     // [n_groups] groups sorted by (relation, head)

  std::vector<std::int32_t> heads;  // nodes that have an edge, ascending

  std::int64_t n_edges() const { return static_cast<std::int64_t>(tails.size()); }
  std::int32_t n_groups() const { return static_cast<std::int32_t>(group_head.size()); }
  std::int32_t degree(std::int32_t node) const {
    const auto at = static_cast<std::size_t>(node);
    return offsets[at + 1] - offsets[at];
  }
  std::int32_t user_node(std::int32_t user) const { return n_entities + user; }
  std::int32_t inverse(std::int32_t relation) const {
    if (relation < 2) return 1 - relation;
    const std::int32_t n_kg = n_relations / 2 - 1;
    return relation < 2 + n_kg ? relation + n_kg : relation - n_kg;
  }
  /// The tails of a head under a relation, ascending; empty when there is none.
  std::span<const std::int32_t> tails_of(std::int32_t head, std::int32_t relation) const;
  /// The relation of an edge whose head is known.
  std::int32_t relation_of(std::int32_t head, std::int32_t edge) const;

  /// From the training interactions and the triples of a data set.
  /// Throws trainhost::Error (kUser) when nodes or edges exceed 2^31.
  static Graph build(const Dataset& data);
};

/// The values of the adjacency before the first attention: Σ_r D_r^-1 A_r. [n_edges]
std::vector<float> initial_values(const Graph& graph);

/// out[e] = values[transposed[e]]: the values of the transposed matrix in the same pattern.
void transpose_values(const Graph& graph, const float* values, float* out);

}  // namespace kgat
