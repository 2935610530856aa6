// Weighted sums of rows: the sparse product, forward and backward.
//
// A row is summed by one thread in the order of its edges; rows of hubs in segments of a fixed
// length, summed by several threads, then added in order. So the bits do not depend on the number
// of threads, and the transposed product needs no atomics.
#pragma once

#include <algorithm>
#include <vector>

#include "frontier.h"
#include "kernels/simd.h"

namespace kgat::simd {

/// A sparse matrix whose rows are nodes of a graph, restricted to columns in `columns`, which index
/// the rows of x by their row in that level.
struct Sparse {
  const Graph* graph;
  const float* values;  // [n_edges]
  const Level* columns;
};

/// Edges ready for the sum: the index of the row of x, and the weight.
struct EdgeList {
  const std::int32_t* rows;
  const float* weights;
  std::int64_t size;  // how far ahead the lists may be read
};

/// Memory of a thread for the edges of a block.
struct EdgeBuffer {
  std::vector<std::int32_t> rows;
  std::vector<float> weights;

  void reserve(std::size_t size) {
    if (rows.size() >= size) return;
    rows.resize(size);
    weights.resize(size);
  }
};

/// Appends the edges [begin, end) whose tail is in the columns; returns the new count.
KGAT_INLINE std::int64_t select_edges(const Sparse& matrix, std::int32_t begin, std::int32_t end,
                                      EdgeBuffer& buffer, std::int64_t count) {
  buffer.reserve(static_cast<std::size_t>(count + end - begin));
  const std::int32_t* tails = matrix.graph->tails.data();
  std::int32_t* rows = buffer.rows.data();
  float* weights = buffer.weights.data();
  if (matrix.columns->all) {
    std::copy(tails + begin, tails + end, rows + count);
    std::copy(matrix.values + begin, matrix.values + end, weights + count);
    return count + end - begin;
  }
  const std::int32_t* position = matrix.columns->position.data();
  for (std::int32_t e = begin; e < end; ++e) {
    const std::int32_t row = position[tails[e]];
    rows[count] = row;
    weights[count] = matrix.values[e];
    count += row >= 0 ? 1 : 0;
  }
  return count;
}

inline constexpr std::int32_t kBlockRows = 48;

/// The edges of a block of rows: row begin + i has [bounds[i].begin, bounds[i].end) of the list;
/// a hub has none, for its sum was made before.
struct BlockEdges {
  struct Range {
    std::int64_t begin, end;
  };
  EdgeList list;
  Range bounds[kBlockRows];
};

KGAT_INLINE BlockEdges block_edges(const Sparse& matrix, const Level& rows, std::int32_t begin,
                                   std::int32_t end, EdgeBuffer& buffer) {
  const Graph& graph = *matrix.graph;
  const bool direct = rows.all && matrix.columns->all;
  BlockEdges out;
  std::int64_t count = 0;
  for (std::int32_t row = begin; row < end; ++row) {
    const auto node = static_cast<std::size_t>(rows.node(row));
    const std::int32_t first = graph.offsets[node], last = graph.offsets[node + 1];
    auto& range = out.bounds[row - begin];
    if (last - first > kHubDegree) {
      range = {count, count};
    } else if (direct) {
      range = {first, last};
    } else {
      range.begin = count;
      count = select_edges(matrix, first, last, buffer, count);
      range.end = count;
    }
  }
  out.list = direct ? EdgeList{graph.tails.data(), matrix.values, graph.n_edges()}
                    : EdgeList{buffer.rows.data(), buffer.weights.data(), count};
  return out;
}

/// out[0 .. kVectors·lanes) += Σ weights[e] · x[rows[e]] over e in [begin, end).
template <class Isa, int kVectors>
KGAT_INLINE void gather_panel(const float* x, std::ptrdiff_t ldx, EdgeList edges,
                              std::int64_t begin, std::int64_t end, float* out) {
  constexpr std::int64_t kAhead = 12;
  constexpr int kLanes = Isa::kLanes;
  typename Isa::F sums[kVectors];
  KGAT_UNROLL for (int v = 0; v < kVectors; ++v) sums[v] = load<Isa>(out + v * kLanes);
  for (std::int64_t e = begin; e < end; ++e) {
    const std::int64_t ahead = e + kAhead < edges.size ? e + kAhead : e;
    const float* next = x + edges.rows[ahead] * ldx;
    KGAT_UNROLL for (int line = 0; line < (kVectors * kLanes + 15) / 16; ++line) {
      __builtin_prefetch(next + line * 16);
    }
    const float* row = x + edges.rows[e] * ldx;
    const typename Isa::F weight = splat<Isa>(edges.weights[e]);
    KGAT_UNROLL for (int v = 0; v < kVectors; ++v) sums[v] += weight * load<Isa>(row + v * kLanes);
  }
  KGAT_UNROLL for (int v = 0; v < kVectors; ++v) store<Isa>(out + v * kLanes, sums[v]);
}

/// The same over all columns of x.
template <class Isa>
KGAT_INLINE void gather(const float* x, std::ptrdiff_t columns, EdgeList edges, std::int64_t begin,
                        std::int64_t end, float* out) {
  constexpr std::ptrdiff_t kWide = 4 * Isa::kLanes;
  std::ptrdiff_t c = 0;
  for (; c + kWide <= columns; c += kWide) {
    gather_panel<Isa, 4>(x + c, columns, edges, begin, end, out + c);
  }
  for (; c + Isa::kLanes <= columns; c += Isa::kLanes) {
    gather_panel<Isa, 1>(x + c, columns, edges, begin, end, out + c);
  }
  if (c == columns) return;
  for (std::int64_t e = begin; e < end; ++e) {
    const float* row = x + edges.rows[e] * columns;
    for (std::ptrdiff_t k = c; k < columns; ++k) out[k] += edges.weights[e] * row[k];
  }
}

/// Adds to `out` the sum of row `row`, whose place in its block is `place`.
template <class Isa>
KGAT_INLINE void gather_row(const BlockEdges& edges, const Level& rows, std::int32_t row,
                            std::int32_t place, const float* hubs, const float* x,
                            std::ptrdiff_t columns, float* out) {
  const auto range = edges.bounds[place];
  gather<Isa>(x, columns, edges.list, range.begin, range.end, out);
  if (rows.hubs.empty()) return;
  const auto hub = std::lower_bound(rows.hubs.begin(), rows.hubs.end(), row);
  if (hub == rows.hubs.end() || *hub != row) return;
  const float* sum = hubs + (hub - rows.hubs.begin()) * columns;
  for (std::ptrdiff_t c = 0; c < columns; ++c) out[c] += sum[c];
}

/// Sums of the hub rows of a level, [hubs.size(), columns], made before the pass over blocks.
std::vector<float> gather_hubs(const Sparse& matrix, const Level& rows, const float* x,
                               std::ptrdiff_t columns);

/// out [rows.size, columns] += matrix · x, where `out` is read first. `hubs` as made above.
/// The plain product, for the backward pass and for tests; the forward pass is fused (layer.cpp).
void gather_add(const Sparse& matrix, const Level& rows, const float* x, std::ptrdiff_t columns,
                float* out);

}  // namespace kgat::simd
