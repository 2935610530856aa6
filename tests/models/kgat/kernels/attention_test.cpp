#include "kernels/attention.h"

#include <omp.h>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

struct Parameters {
  std::int32_t d, k;
  std::vector<float> embeddings, relations, matrices;

  Parameters(const Graph& graph, std::int32_t d_, std::int32_t k_)
      : d(d_),
        k(k_),
        embeddings(noise(static_cast<std::size_t>(graph.n_nodes) * d, 1, 1)),
        relations(noise(static_cast<std::size_t>(graph.n_relations) * k, 1, 2)),
        matrices(noise(static_cast<std::size_t>(graph.n_relations) * d * k, 0.5F, 3)) {}

  TransR view() const { return {embeddings.data(), relations.data(), matrices.data(), d, k}; }
  /// (W_rᵀ e)[c]
  double projected(std::int32_t node, std::int32_t relation, std::int32_t c) const {
    double sum = 0;
    for (std::int32_t r = 0; r < d; ++r) {
      sum += double{embeddings[static_cast<std::size_t>(node) * d + r]} *
             matrices[(static_cast<std::size_t>(relation) * d + r) * k + c];
    }
    return sum;
  }
};

std::vector<double> naive(const Graph& graph, const Parameters& parameters) {
  std::vector<double> out;
  for (std::int32_t head = 0; head < graph.n_nodes; ++head) {
    double sum = 0;
    const std::size_t begin = out.size();
    for (std::int32_t e = graph.offsets[head]; e < graph.offsets[head + 1]; ++e) {
      const std::int32_t r = graph.relation_of(head, e);
      double logit = 0;
      for (std::int32_t c = 0; c < parameters.k; ++c) {
        const double bias = parameters.relations[static_cast<std::size_t>(r) * parameters.k + c];
        logit += parameters.projected(graph.tails[e], r, c) *
                 std::tanh(parameters.projected(head, r, c) + bias);
      }
      out.push_back(std::exp(logit));
      sum += out.back();
    }
    for (std::size_t e = begin; e < out.size(); ++e) out[e] /= sum;
  }
  return out;
}

TEST_CASE("attention equals the equations edge by edge") {
  for (const auto& [d, k] : {std::pair{16, 16}, {64, 64}, {7, 5}, {20, 33}, {1, 1}}) {
    const Graph graph = Graph::build(random_dataset(120, 40, 90, true, 1));
    const Parameters parameters(graph, d, k);
    std::vector<float> values(static_cast<std::size_t>(graph.n_edges()));
    attention_values(graph, parameters.view(), values.data());
    CHECK(distance(values, naive(graph, parameters)) < 1e-4);
  }
}

TEST_CASE("attention stays finite for large energies, and sums to one for each head") {
  const Graph graph = Graph::build(random_dataset(60, 40, 90, false, 1));
  Parameters parameters(graph, 16, 16);
  for (float& value : parameters.embeddings) value *= 1e4F;
  std::vector<float> values(static_cast<std::size_t>(graph.n_edges()));
  attention_values(graph, parameters.view(), values.data());
  for (const std::int32_t head : graph.heads) {
    double sum = 0;
    for (std::int32_t e = graph.offsets[head]; e < graph.offsets[head + 1]; ++e) sum += values[e];
    CHECK(sum == Approx(1.0).margin(1e-5));
  }
}

TEST_CASE("the bits of the attention do not depend on the threads") {
  const Graph graph = Graph::build(random_dataset(600, 40, 90, true, 1));
  const Parameters parameters(graph, 64, 64);
  std::vector<float> one(static_cast<std::size_t>(graph.n_edges())), three(one.size());
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  attention_values(graph, parameters.view(), one.data());
  omp_set_num_threads(3);
  attention_values(graph, parameters.view(), three.data());
  omp_set_num_threads(before);
  CHECK(one == three);
}

TEST_CASE("the hyperbolic tangent is close everywhere") {
  for (double x = -12; x < 12; x += 0.00097) {
    auto value = static_cast<float>(x);
    const double expected = std::tanh(double{value});
    tanh_in_place(&value, 1);
    REQUIRE(value == Approx(expected).margin(3e-7).epsilon(1e-6));
  }
  std::vector<float> extremes{0.0F, -0.0F, 1e30F, -1e30F, INFINITY};
  tanh_in_place(extremes.data(), static_cast<std::ptrdiff_t>(extremes.size()));
  CHECK(extremes == std::vector<float>{0, 0, 1, -1, 1});
}

}  // namespace
