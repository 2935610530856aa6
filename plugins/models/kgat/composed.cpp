#include "composed.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kgat::composed {
namespace {

/// Memory of the CPU to write to before upload(): pinned where the copy can run beside the CPU.
at::Tensor staging(at::IntArrayRef sizes, at::ScalarType type, at::Device device) {
  return at::empty(sizes, at::TensorOptions(type).pinned_memory(!device.is_cpu()));
}

/// A copy in the order of the stream; the allocator of pinned memory waits for it, not the caller.
at::Tensor upload(const at::Tensor& staged, at::Device device) {
  return device.is_cpu() ? staged : staged.to(device, /*non_blocking=*/true);
}

template <class Integers>
at::Tensor indices(const Integers& values, at::Device device) {
  const at::Tensor out = staging({static_cast<std::int64_t>(values.size())}, at::kLong, device);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<std::int64_t>());
  return upload(out, device);
}

at::Tensor squares(const at::Tensor& rows) { return (rows * rows).sum(); }

// ---------------------------------------------------------------------------------- propagation

/// The edges that a layer sums over: row of the sum, row of x, and the edge itself.
struct Edges {
  at::Tensor rows, columns;
  at::Tensor edges;  // undefined: all, in the order of the graph
};

Edges edges_of(const Pattern& pattern, const Level& in, const Level& out, at::Device device) {
  if (in.all && out.all) return {pattern.heads, pattern.tails, {}};
  const Graph& graph = *pattern.graph;
  std::vector<std::int32_t> rows, columns, edges;
  for (std::int32_t row = 0; row < out.size; ++row) {
    const auto node = static_cast<std::size_t>(out.node(row));
    for (std::int32_t edge = graph.offsets[node]; edge < graph.offsets[node + 1]; ++edge) {
      rows.push_back(row);
      columns.push_back(in.row(graph.tails[static_cast<std::size_t>(edge)]));
      edges.push_back(edge);
    }
  }
  return {indices(rows, device), indices(columns, device), indices(edges, device)};
}

/// n = Σ_t π(h, r, t) e_t (equation 3): [out.size, d_in]
at::Tensor neighbours_of(const Edges& edges, const at::Tensor& values, const at::Tensor& x,
                         std::int64_t rows) {
  const at::Tensor weights = edges.edges.defined() ? values.index_select(0, edges.edges) : values;
  const at::Tensor terms = x.index_select(0, edges.columns) * weights.unsqueeze(1);
  return at::zeros({rows, x.size(1)}, x.options()).index_add(0, edges.rows, terms);
}

/// Rows of `nodes` in `level`, as an index; undefined where it would be 0, 1, 2, …
at::Tensor rows_in(const Level& level, const Level& nodes, at::Device device) {
  if (level.all && nodes.all) return {};
  std::vector<std::int32_t> out;
  out.reserve(static_cast<std::size_t>(nodes.size));
  for (std::int32_t i = 0; i < nodes.size; ++i) out.push_back(level.row(nodes.node(i)));
  return indices(out, device);
}

at::Tensor select(const at::Tensor& rows, const at::Tensor& index) {
  return index.defined() ? rows.index_select(0, index) : rows;
}

/// 1 where a value is kept, 0 where it is dropped: [level.size, columns] of bytes.
at::Tensor kept(const Dropout& dropout, const Level& level, std::int64_t columns,
                at::Device device) {
  constexpr std::int64_t kRows = 64;
  const at::Tensor out = staging({level.size, columns}, at::kByte, device);
  auto* mask = out.mutable_data_ptr<std::uint8_t>();
  const std::ptrdiff_t width = simd::padded(columns);
  at::parallel_for(0, level.size, kRows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint16_t> numbers(static_cast<std::size_t>((end - begin) * width));
    const auto node_of = [&](std::ptrdiff_t i) {
      return level.node(static_cast<std::int32_t>(begin + i));
    };
    simd::dropout_numbers<simd::Baseline>(dropout, node_of, end - begin, columns, numbers.data());
    for (std::int64_t row = begin; row < end; ++row) {
      const std::uint16_t* from = numbers.data() + (row - begin) * width;
      for (std::int64_t c = 0; c < columns; ++c) {
        mask[row * columns + c] = from[c] >= dropout.threshold ? 1 : 0;
      }
    }
  });
  return upload(out, device);
}

/// Equations 6 to 8.
at::Tensor aggregate(const LayerShape& shape, const LayerParameters& weights, const at::Tensor& e,
                     const at::Tensor& n) {
  const auto activated = [&](const at::Tensor& input, const at::Tensor& w, const at::Tensor& b) {
    return at::leaky_relu(at::linear(input, w, b), shape.slope);
  };
  if (shape.aggregator == Aggregator::kGraphSage) {
    return activated(at::cat({e, n}, 1), weights.w1, weights.b1);
  }
  const at::Tensor sum = activated(e + n, weights.w1, weights.b1);
  return shape.two_products() ? sum + activated(e * n, weights.w2, weights.b2) : sum;
}

// --------------------------------------------------------------------------------- KG, attention

/// Rows [begin, end) that share a relation.
struct Run {
  std::int64_t relation, begin, end;
};

std::vector<Run> runs_of(const std::vector<std::int32_t>& sorted) {
  std::vector<Run> out;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    if (out.empty() || out.back().relation != sorted[i]) out.push_back({sorted[i], at, at});
    out.back().end = at + 1;
  }
  return out;
}

/// W_r e for rows in runs of one relation: one product a run. [rows, k]
at::Tensor project(const at::Tensor& rows, const at::Tensor& matrices,
                   const std::vector<Run>& runs) {
  std::vector<at::Tensor> out;
  for (const Run& run : runs) {
    out.push_back(at::matmul(rows.narrow(0, run.begin, run.end - run.begin),
                             matrices.select(0, run.relation)));
  }
  if (out.empty()) return at::matmul(rows, matrices.select(0, 0));
  return at::cat(out, 0);
}

std::vector<std::int32_t> taken(const std::vector<std::int32_t>& values,
                                const std::vector<std::size_t>& order) {
  std::vector<std::int32_t> out;
  out.reserve(order.size());
  for (const std::size_t i : order) out.push_back(values[i]);
  return out;
}

}  // namespace

Pattern Pattern::make(std::shared_ptr<const Graph> graph, at::Device device) {
  std::vector<std::int32_t> heads, groups(graph->tails.size()), group_heads;
  heads.reserve(graph->tails.size());
  for (std::int32_t node = 0; node < graph->n_nodes; ++node) {
    heads.insert(heads.end(), static_cast<std::size_t>(graph->degree(node)), node);
  }
  Pattern out;
  out.relation_ends.assign(static_cast<std::size_t>(graph->n_relations), 0);
  for (const std::int32_t group : graph->by_relation) {
    const auto g = static_cast<std::size_t>(group);
    const auto place = static_cast<std::int32_t>(group_heads.size());
    std::fill(groups.begin() + graph->group_offsets[g],
              groups.begin() + graph->group_offsets[g + 1], place);
    group_heads.push_back(graph->group_head[g]);
    out.relation_ends[static_cast<std::size_t>(graph->group_relation[g])] = place + 1;
  }
  out.heads = indices(heads, device);
  out.tails = indices(graph->tails, device);
  out.groups = indices(groups, device);
  out.group_heads = indices(group_heads, device);
  out.graph = std::move(graph);
  return out;
}

LayerResult propagate_layer(const Pattern& pattern, const at::Tensor& values,
                            const Frontier& frontier, int layer, const LayerShape& shape,
                            const Dropout& dropout, const LayerParameters& parameters,
                            const at::Tensor& x) {
  const Level& in = frontier.level(static_cast<std::size_t>(layer) - 1);
  const Level& out = frontier.level(static_cast<std::size_t>(layer));
  const at::Device device = x.device();
  const at::Tensor n = neighbours_of(edges_of(pattern, in, out, device), values, x, out.size);
  const at::Tensor e = select(x, rows_in(in, out, device));
  LayerResult result;
  result.y = aggregate(shape, parameters, e, n);
  if (dropout.threshold > 0) {
    result.y = result.y * kept(dropout, out, shape.d_out, device).to(at::kFloat) * dropout.scale();
  }
  const at::Tensor own = select(result.y, rows_in(out, frontier.batch(), device));
  result.z = own / own.norm(2, {1}, true).clamp_min(1e-12);
  if (layer == 1) result.x_rows = select(x, rows_in(in, frontier.batch(), device));
  return result;
}

at::Tensor cf_loss_sum(const CfRows& batch, double lambda, const std::vector<at::Tensor>& parts) {
  const at::Device device = parts.front().device();
  const at::Tensor users = indices(batch.users, device), items = indices(batch.positives, device),
                   others = indices(batch.negatives, device);
  at::Tensor scores = at::zeros({users.size(0)}, parts.front().options());
  at::Tensor norms = at::zeros({}, parts.front().options());
  for (const at::Tensor& part : parts) {
    const at::Tensor u = part.index_select(0, users), i = part.index_select(0, items),
                     j = part.index_select(0, others);
    scores = scores + (u * (i - j)).sum(1);
    norms = norms + squares(u) + squares(i) + squares(j);
  }
  return at::softplus(-scores).sum() + norms * (0.5 * lambda);
}

at::Tensor kg_loss_sum(const KgBatch& batch, double lambda, TableGradient form,
                       const at::Tensor& embeddings, const at::Tensor& relations,
                       const at::Tensor& matrices) {
  std::vector<std::size_t> order(batch.heads.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return batch.relations[i]; });
  const std::vector<std::int32_t> sorted = taken(batch.relations, order);
  const std::vector<Run> runs = runs_of(sorted);
  const at::Device device = embeddings.device();
  const bool sparse = form == TableGradient::kRows;
  const auto projected = [&](const std::vector<std::int32_t>& nodes) {
    const at::Tensor rows =
        at::embedding(embeddings, indices(taken(nodes, order), device), -1, false, sparse);
    return project(rows, matrices, runs);
  };
  const at::Tensor h = projected(batch.heads), t = projected(batch.positives),
                   other = projected(batch.negatives);
  const at::Tensor r = relations.index_select(0, indices(sorted, device));
  const at::Tensor near = h + r - t, far = h + r - other;
  const at::Tensor difference = (near * near).sum(1) - (far * far).sum(1);
  const at::Tensor norms = squares(h) + squares(r) + squares(t) + squares(other);
  return at::softplus(difference).sum() + norms * (0.5 * lambda);
}

at::Tensor attention(const Pattern& pattern, const at::Tensor& embeddings,
                     const at::Tensor& relations, const at::Tensor& matrices) {
  std::vector<at::Tensor> queries;
  std::int64_t begin = 0;
  for (std::size_t relation = 0; relation < pattern.relation_ends.size(); ++relation) {
    const std::int64_t end = pattern.relation_ends[relation];
    if (end <= begin) continue;
    const auto r = static_cast<std::int64_t>(relation);
    const at::Tensor heads =
        embeddings.index_select(0, pattern.group_heads.narrow(0, begin, end - begin));
    const at::Tensor keys = (at::matmul(heads, matrices[r]) + relations[r]).tanh();
    queries.push_back(at::matmul(keys, matrices[r].t()));
    begin = end;
  }
  if (queries.empty()) return at::zeros({0}, embeddings.options());
  const at::Tensor query = at::cat(queries, 0).index_select(0, pattern.groups);
  const at::Tensor logits = (embeddings.index_select(0, pattern.tails) * query).sum(1);
  // The softmax over all edges of a head (equation 5).
  const at::Tensor largest =
      at::full({pattern.graph->n_nodes}, -std::numeric_limits<float>::infinity(), logits.options())
          .scatter_reduce(0, pattern.heads, logits, "amax");
  const at::Tensor terms = (logits - largest.index_select(0, pattern.heads)).exp();
  const at::Tensor sums =
      at::zeros({pattern.graph->n_nodes}, logits.options()).index_add(0, pattern.heads, terms);
  return terms / sums.index_select(0, pattern.heads);
}

}  // namespace kgat::composed
