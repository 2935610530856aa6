// Frontier: which nodes each layer has to compute for a batch.
//
// The last layer is needed at the batch's own nodes alone, the layer before it also at their
// neighbours, and so on: level L holds the batch's nodes, level l the nodes of level l + 1 and
// their neighbours, level 0 (the embedding table) is taken whole. The pruning is exact: rows that
// are computed get the same sums in the same order. A level that would hold nearly all nodes is
// taken whole, which saves the indirection.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "graph.h"

namespace kgat {

/// Rows of a node that has more edges than this are summed in segments of this many edges.
inline constexpr std::int32_t kHubDegree = 2048;

/// Purpose: a set of nodes in ascending order, cut into chunks of about equal work. The cut depends
/// on the set alone, never on the number of threads: so sums over chunks have the same bits.
/// Owner: owns its arrays. Threads: immutable after it was built.
struct Level {
  bool all = false;  // every node; rows and position are empty
  std::int32_t size = 0;
  std::vector<std::int32_t> rows;      // [size] nodes
  std::vector<std::int32_t> position;  // [n_nodes] row of a node, -1 where it is absent
  std::vector<std::int32_t> chunks;    // [n_chunks + 1] bounds in rows
  std::vector<std::int32_t> hubs;      // rows whose nodes exceed kHubDegree

  std::int32_t node(std::int32_t row) const {
    return all ? row : rows[static_cast<std::size_t>(row)];
  }
  std::int32_t row(std::int32_t node) const {
    return all ? node : position[static_cast<std::size_t>(node)];
  }
  std::int32_t n_chunks() const { return static_cast<std::int32_t>(chunks.size()) - 1; }

  static Level everything(const Graph& graph);
  /// `nodes` ascending and distinct.
  static Level of(const Graph& graph, std::vector<std::int32_t> nodes);
};

/// Purpose: the levels of one batch. Owner: shares its levels (whole ones are made once for a
/// graph). Threads: immutable after it was built; a loader thread may build it ahead.
struct Frontier {
  std::vector<std::shared_ptr<const Level>> levels;  // [n_layers + 1]

  const Level& level(std::size_t layer) const { return *levels[layer]; }
  /// The batch's nodes.
  const Level& batch() const { return *levels.back(); }
};

/// Purpose: builds frontiers for a graph. Owner: borrows the graph. Threads: any.
class FrontierBuilder {
 public:
  explicit FrontierBuilder(const Graph& graph);

  /// The levels for a batch that touches `nodes` (any order, repeats allowed, may be empty).
  Frontier build(std::span<const std::int32_t> nodes, int n_layers) const;
  /// Every node at every level: for evaluation.
  Frontier whole(int n_layers) const;

 private:
  std::shared_ptr<const Level> widen(const Level& level) const;

  const Graph* graph_;
  std::shared_ptr<const Level> everything_;  // shared by all frontiers of the graph
};

}  // namespace kgat
