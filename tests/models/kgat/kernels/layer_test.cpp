#include "kernels/layer.h"

#include <omp.h>

#include <functional>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

struct Layer {
  LayerShape shape;
  std::vector<float> w1, b1, w2, b2;

  Layer(LayerShape s, std::uint64_t seed)
      : shape(s),
        w1(noise(static_cast<std::size_t>(s.d_out) * s.depth(), 0.5F, seed)),
        b1(noise(s.d_out, 0.5F, seed + 1)),
        w2(noise(s.two_products() ? static_cast<std::size_t>(s.d_out) * s.depth() : 0, 0.5F,
                 seed + 2)),
        b2(noise(s.two_products() ? s.d_out : 0, 0.5F, seed + 3)) {}

  LayerWeights weights() const { return {w1.data(), b1.data(), w2.data(), b2.data()}; }
};

/// LReLU(w · input + b) of one row, in double.
void add_product(const LayerShape& shape, const std::vector<float>& w, const std::vector<float>& b,
                 const std::vector<double>& input, double* out) {
  for (std::int32_t o = 0; o < shape.d_out; ++o) {
    double sum = b[o];
    for (std::int32_t k = 0; k < shape.depth(); ++k) {
      sum += double{w[static_cast<std::size_t>(o) * shape.depth() + k]} * input[k];
    }
    out[o] += sum > 0 ? sum : double{shape.slope} * sum;
  }
}

bool dropped(const Dropout& dropout, std::int32_t node, std::int32_t column) {
  const auto block = dropout.random.block(dropout.step, dropout.layer,
                                          static_cast<std::uint64_t>(node), column / 8);
  const std::uint32_t word = block[column % 8 / 2];
  return (column % 2 == 1 ? word >> 16 : word & 0xFFFFU) < dropout.threshold;
}

/// The layer row by row from the paper's equations.
std::vector<double> naive(const LayerPlace& place, const Layer& layer, const Dropout& dropout,
                          const std::vector<float>& x) {
  const LayerShape& shape = layer.shape;
  const std::int32_t d = shape.d_in;
  std::vector<double> out(static_cast<std::size_t>(place.out->size) * shape.d_out, 0.0);
  for (std::int32_t row = 0; row < place.out->size; ++row) {
    const std::int32_t node = place.out->node(row);
    std::vector<double> n(d, 0.0), e(d), first, second;
    for (std::int32_t k = place.graph->offsets[node]; k < place.graph->offsets[node + 1]; ++k) {
      const auto from = static_cast<std::size_t>(place.in->row(place.graph->tails[k])) * d;
      for (std::int32_t c = 0; c < d; ++c) n[c] += double{place.values[k]} * x[from + c];
    }
    for (std::int32_t c = 0; c < d; ++c) {
      e[c] = x[static_cast<std::size_t>(place.in->row(node)) * d + c];
    }
    if (shape.aggregator == Aggregator::kGraphSage) {
      first = e;
      first.insert(first.end(), n.begin(), n.end());
    } else {
      for (std::int32_t c = 0; c < d; ++c) first.push_back(e[c] + n[c]);
      for (std::int32_t c = 0; c < d; ++c) second.push_back(e[c] * n[c]);
    }
    double* y = out.data() + static_cast<std::size_t>(row) * shape.d_out;
    add_product(shape, layer.w1, layer.b1, first, y);
    if (shape.two_products()) add_product(shape, layer.w2, layer.b2, second, y);
    for (std::int32_t c = 0; c < shape.d_out; ++c) {
      y[c] = dropped(dropout, node, c) ? 0.0 : y[c] * double{dropout.scale()};
    }
  }
  return out;
}

const std::vector<LayerShape> kShapes{
    {Aggregator::kBi, 64, 32, 0.2F},        {Aggregator::kBi, 7, 21, 0.01F},
    {Aggregator::kGcn, 16, 16, 0.2F},       {Aggregator::kGcn, 33, 5, 0.0F},
    {Aggregator::kGraphSage, 32, 16, 0.2F}, {Aggregator::kGraphSage, 9, 20, 0.2F}};

TEST_CASE("a layer equals the equations row by row, on whole and pruned levels, with dropout") {
  for (const bool hub : {false, true}) {
    const Graph graph = Graph::build(random_dataset(hub ? 2500 : 90, 40, 90, hub, 1));
    const auto values = noise(static_cast<std::size_t>(graph.n_edges()), hub ? 0.05F : 0.5F, 2);
    const FrontierBuilder builder(graph);
    const Frontier pruned = builder.build(std::vector<std::int32_t>{3, graph.n_nodes - 1}, 2);
    for (const LayerShape& shape : kShapes) {
      const Layer layer(shape, 5);
      for (const double rate : {0.0, 0.3}) {
        const auto dropout = Dropout::make(rate, trainhost::Random(1, "d"), 4, 2);
        for (std::size_t at : {std::size_t{1}, std::size_t{2}}) {
          const LayerPlace place{&graph, &pruned.level(at - 1), &pruned.level(at), values.data()};
          const auto x = noise(static_cast<std::size_t>(place.in->size) * shape.d_in, 1, 6);
          std::vector<float> y(static_cast<std::size_t>(place.out->size) * shape.d_out);
          layer_forward(place, shape, layer.weights(), dropout, x.data(), y.data(), {});
          REQUIRE(distance(y, naive(place, layer, dropout, x)) < 1e-4);
        }
      }
    }
  }
}

TEST_CASE("pruned rows have the bits of whole ones") {
  const Graph graph = Graph::build(random_dataset(2500, 400, 900, true, 1));
  const auto values = noise(static_cast<std::size_t>(graph.n_edges()), 0.1F, 2);
  const Layer layer(kShapes[0], 5);
  const auto dropout = Dropout::make(0.1, trainhost::Random(1, "d"), 4, 2);
  const Level all = Level::everything(graph), some = Level::of(graph, {0, 7, 100, 2000});
  const auto x = noise(static_cast<std::size_t>(all.size) * 64, 1, 6);
  std::vector<float> whole(static_cast<std::size_t>(all.size) * 32), pruned(4 * 32);
  layer_forward({&graph, &all, &all, values.data()}, layer.shape, layer.weights(), dropout,
                x.data(), whole.data(), {});
  layer_forward({&graph, &all, &some, values.data()}, layer.shape, layer.weights(), dropout,
                x.data(), pruned.data(), {});
  for (std::int32_t row = 0; row < 4; ++row) {
    const auto* from = whole.data() + std::ptrdiff_t{some.node(row)} * 32;
    CHECK(std::equal(from, from + 32, pruned.data() + row * 32));
  }
}

struct Gradients {
  std::vector<float> x;
  LayerGradients weights;
};

/// Gradients of Σ y · direction.
Gradients backward(const LayerPlace& place, const Layer& layer, const Dropout& dropout,
                   const std::vector<float>& x, const std::vector<float>& direction,
                   const std::vector<float>& transposed) {
  const LayerShape& shape = layer.shape;
  const auto rows = static_cast<std::size_t>(place.out->size);
  std::vector<float> y(rows * shape.d_out), neighbours(rows * shape.d_in);
  std::vector<std::uint8_t> codes(rows * shape.d_out);
  const LayerSaved saved{neighbours.data(), codes.data()};
  layer_forward(place, shape, layer.weights(), dropout, x.data(), y.data(), saved);
  Gradients out;
  out.x.resize(x.size(), NAN);
  out.weights = layer_backward(place, shape, layer.weights(), dropout.scale(), x.data(), saved,
                               transposed.data(), direction.data(), out.x.data());
  return out;
}

double dot(const std::vector<double>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST_CASE("gradients of a layer equal central differences of the naive one") {
  const Graph graph = Graph::build(random_dataset(2200, 20, 40, true, 1));
  const auto values = noise(static_cast<std::size_t>(graph.n_edges()), 0.05F, 2);
  std::vector<float> transposed(values.size());
  transpose_values(graph, values.data(), transposed.data());
  const FrontierBuilder builder(graph);
  const Frontier pruned = builder.build(std::vector<std::int32_t>{0, 8, graph.n_nodes - 1}, 2);
  const auto dropout = Dropout::make(0.2, trainhost::Random(1, "d"), 4, 2);
  for (const LayerShape& shape : kShapes) {
    for (std::size_t at : {std::size_t{1}, std::size_t{2}}) {
      const LayerPlace place{&graph, &pruned.level(at - 1), &pruned.level(at), values.data()};
      Layer layer(shape, 5);
      auto x = noise(static_cast<std::size_t>(place.in->size) * shape.d_in, 1, 6);
      const auto direction = noise(static_cast<std::size_t>(place.out->size) * shape.d_out, 1, 7);
      const Gradients found = backward(place, layer, dropout, x, direction, transposed);
      const auto check = [&](std::vector<float>& value, const std::vector<float>& gradient) {
        REQUIRE(value.size() == gradient.size());
        for (std::size_t k = 0; k < value.size(); k += value.size() / 3 + 1) {
          const float before = value[k];
          const auto loss = [&](float moved) {
            value[k] = moved;
            return dot(naive(place, layer, dropout, x), direction);
          };
          // Small, for thousands of rows are behind a weight and some would cross the kink of
          // LReLU; the naive layer is in double, so the difference of the floats is what counts.
          const float up = before + 0x1p-18F, down = before - 0x1p-18F;
          const double slope = (loss(up) - loss(down)) / (double{up} - down);
          value[k] = before;
          CHECK(gradient[k] == Approx(slope).margin(2e-3).epsilon(2e-3));
        }
      };
      check(x, found.x);
      check(layer.w1, found.weights.w1);
      check(layer.b1, found.weights.b1);
      check(layer.w2, found.weights.w2);
      check(layer.b2, found.weights.b2);
    }
  }
}

TEST_CASE("gradients have the same bits for any number of threads") {
  const Graph graph = Graph::build(random_dataset(3000, 200, 400, true, 1));
  const auto values = noise(static_cast<std::size_t>(graph.n_edges()), 0.05F, 2);
  std::vector<float> transposed(values.size());
  transpose_values(graph, values.data(), transposed.data());
  const Level all = Level::everything(graph);
  const LayerPlace place{&graph, &all, &all, values.data()};
  const Layer layer(kShapes[0], 5);
  const auto dropout = Dropout::make(0.1, trainhost::Random(1, "d"), 4, 2);
  const auto x = noise(static_cast<std::size_t>(all.size) * 64, 1, 6);
  const auto direction = noise(static_cast<std::size_t>(all.size) * 32, 1, 7);
  const int before = omp_get_max_threads();
  std::vector<Gradients> results;
  for (const int threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    results.push_back(backward(place, layer, dropout, x, direction, transposed));
  }
  omp_set_num_threads(before);
  for (const Gradients& result : results) {
    CHECK(result.x == results[0].x);
    CHECK(result.weights.w1 == results[0].weights.w1);
    CHECK(result.weights.b2 == results[0].weights.b2);
  }
}

TEST_CASE("normalised rows have length one, and rows of zeros stay zeros with finite gradients") {
  const Graph graph = Graph::build(random_dataset(10, 5, 9, false, 1));
  const Level all = Level::everything(graph), batch = Level::of(graph, {2, 4});
  auto y = noise(static_cast<std::size_t>(all.size) * 3, 1, 2);
  std::fill(y.begin() + 4 * 3, y.begin() + 5 * 3, 0.0F);
  std::vector<float> z(6), gy(y.size(), 0.0F);
  normalise_rows(all, batch, y.data(), 3, z.data());
  CHECK(z[0] * z[0] + z[1] * z[1] + z[2] * z[2] == Approx(1.0));
  CHECK(std::vector<float>(z.begin() + 3, z.end()) == std::vector<float>(3, 0.0F));
  const std::vector<float> gz{1, 2, 3, 0, 0, 0};
  normalise_rows_backward(all, batch, y.data(), gz.data(), 3, gy.data());
  for (const float value : gy) CHECK(std::isfinite(value));
  // The gradient is orthogonal to the row: its length does not change z.
  CHECK(gy[6] * y[6] + gy[7] * y[7] + gy[8] * y[8] == Approx(0.0).margin(1e-5));
}

}  // namespace
