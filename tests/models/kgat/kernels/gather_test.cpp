#include "kernels/gather.h"

#include <omp.h>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

/// out[row] = Σ values[e] · x[columns.row(tail)], in double, edge by edge.
std::vector<double> naive(const Graph& graph, const float* values, const Level& rows,
                          const Level& columns, const std::vector<float>& x, std::int32_t d) {
  std::vector<double> out(static_cast<std::size_t>(rows.size) * d, 0.0);
  for (std::int32_t row = 0; row < rows.size; ++row) {
    const std::int32_t node = rows.node(row);
    for (std::int32_t e = graph.offsets[node]; e < graph.offsets[node + 1]; ++e) {
      const std::int32_t from = columns.row(graph.tails[e]);
      if (from < 0) continue;
      for (std::int32_t c = 0; c < d; ++c) {
        out[static_cast<std::size_t>(row) * d + c] +=
            double{values[e]} * x[static_cast<std::size_t>(from) * d + c];
      }
    }
  }
  return out;
}

std::vector<std::int32_t> some_nodes(const Graph& graph, std::int32_t stride) {
  std::vector<std::int32_t> out;
  for (std::int32_t node = 0; node < graph.n_nodes; node += stride) out.push_back(node);
  return out;
}

TEST_CASE("the sparse product equals the sum edge by edge, whatever the shape") {
  // With the hub, item 0 has 5000 neighbours (three segments); entities without edges are empty
  // rows.
  for (const bool hub : {false, true}) {
    const Graph graph = Graph::build(random_dataset(hub ? 5000 : 50, 40, 90, hub, 1));
    const std::vector<float> values = noise(static_cast<std::size_t>(graph.n_edges()), 1, 2);
    const std::vector<Level> levels{
        Level::everything(graph), Level::of(graph, some_nodes(graph, 1)),
        Level::of(graph, some_nodes(graph, 3)), Level::of(graph, {0}), Level::of(graph, {})};
    for (const std::int32_t d : {1, 5, 16, 24, 64, 130}) {
      for (const Level& rows : levels) {
        for (const Level& columns : levels) {
          const auto x = noise(static_cast<std::size_t>(columns.size) * d, 1, 3);
          std::vector<float> out(static_cast<std::size_t>(rows.size) * d, 0.0F);
          kgat::simd::gather_add({&graph, values.data(), &columns}, rows, x.data(), d, out.data());
          REQUIRE(distance(out, naive(graph, values.data(), rows, columns, x, d)) < 2e-4);
        }
      }
    }
  }
}

TEST_CASE("the product adds to what is there") {
  const Graph graph = Graph::build(random_dataset(50, 40, 90, false, 1));
  const Level all = Level::everything(graph);
  const std::vector<float> values(static_cast<std::size_t>(graph.n_edges()), 0.0F);
  const std::vector<float> x(static_cast<std::size_t>(all.size), 1.0F);
  std::vector<float> out(x.size(), 3.0F);
  kgat::simd::gather_add({&graph, values.data(), &all}, all, x.data(), 1, out.data());
  CHECK(out == std::vector<float>(x.size(), 3.0F));
}

TEST_CASE("the bits of the product do not depend on the threads") {
  const Graph graph = Graph::build(random_dataset(5000, 40, 90, true, 1));
  const Level all = Level::everything(graph);
  const auto values = noise(static_cast<std::size_t>(graph.n_edges()), 1, 2);
  const auto x = noise(static_cast<std::size_t>(all.size) * 64, 1, 3);
  std::vector<std::vector<float>> results;
  const int before = omp_get_max_threads();
  for (const int threads : {1, 2, 3, 7}) {
    omp_set_num_threads(threads);
    results.emplace_back(x.size(), 0.0F);
    kgat::simd::gather_add({&graph, values.data(), &all}, all, x.data(), 64, results.back().data());
  }
  omp_set_num_threads(before);
  for (const auto& result : results) CHECK(result == results[0]);
}

}  // namespace
