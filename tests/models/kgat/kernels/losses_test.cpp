#include "kernels/losses.h"

#include <omp.h>

#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

struct Fixture {
  Graph graph = Graph::build(random_dataset(120, 40, 90, false, 1));
  std::int32_t d = 20, k = 12;
  std::vector<float> embeddings = noise(static_cast<std::size_t>(graph.n_nodes) * d, 0.5F, 1);
  std::vector<float> relations = noise(static_cast<std::size_t>(graph.n_relations) * k, 0.5F, 2);
  std::vector<float> matrices = noise(static_cast<std::size_t>(graph.n_relations) * d * k, 0.3F, 3);
  KgBatch batch;

  explicit Fixture(std::int64_t size) { KgSampler(graph, 1).sample(0, 0, size, batch); }
  TransR view() const { return {embeddings.data(), relations.data(), matrices.data(), d, k}; }
};

double naive_kg(const Fixture& f, double lambda) {
  const auto project = [&f](std::int32_t node, std::int32_t r, std::int32_t c) {
    double sum = 0;
    for (std::int32_t a = 0; a < f.d; ++a) {
      sum += double{f.embeddings[static_cast<std::size_t>(node) * f.d + a]} *
             f.matrices[(static_cast<std::size_t>(r) * f.d + a) * f.k + c];
    }
    return sum;
  };
  double total = 0;
  for (std::size_t b = 0; b < f.batch.heads.size(); ++b) {
    const std::int32_t r = f.batch.relations[b];
    double near = 0, far = 0, squares = 0;
    for (std::int32_t c = 0; c < f.k; ++c) {
      const double h = project(f.batch.heads[b], r, c), t = project(f.batch.positives[b], r, c);
      const double n = project(f.batch.negatives[b], r, c);
      const double e = f.relations[static_cast<std::size_t>(r) * f.k + c];
      near += (h + e - t) * (h + e - t);
      far += (h + e - n) * (h + e - n);
      squares += h * h + t * t + n * n + e * e;
    }
    total += std::log1p(std::exp(near - far)) + lambda * 0.5 * squares;
  }
  return total;
}

TEST_CASE("the KG loss and its gradients equal the equations") {
  for (const std::int64_t size : {1, 100, 333}) {
    Fixture f(size);
    KgGradients gradients;
    const double loss = kg_loss(f.batch, f.view(), f.graph.n_relations, 0.1, gradients);
    CHECK(loss == Approx(naive_kg(f, 0.1)).epsilon(1e-5));

    std::vector<float> table(f.embeddings.size(), 0.0F);
    for (std::size_t i = 0; i < gradients.rows.size(); ++i) {
      std::copy_n(gradients.embeddings.begin() + static_cast<std::ptrdiff_t>(i) * f.d, f.d,
                  table.begin() + std::ptrdiff_t{gradients.rows[i]} * f.d);
    }
    const auto check = [&](std::vector<float>& value, const std::vector<float>& gradient) {
      REQUIRE(value.size() == gradient.size());
      for (std::size_t at = 0; at < value.size(); at += value.size() / 40 + 1) {
        const float before = value[at];
        constexpr float kStep = 0x1p-11F;
        value[at] = before + kStep;
        const double up = naive_kg(f, 0.1);
        value[at] = before - kStep;
        const double slope = (up - naive_kg(f, 0.1)) / (2.0 * kStep);
        value[at] = before;
        CHECK(gradient[at] == Approx(slope).margin(1e-3).epsilon(1e-3));
      }
    };
    check(f.embeddings, table);
    check(f.relations, gradients.relations);
    check(f.matrices, gradients.matrices);
  }
}

TEST_CASE("an empty KG batch has no loss and zeros for gradients") {
  Fixture f(0);
  KgGradients gradients;
  CHECK(kg_loss(f.batch, f.view(), f.graph.n_relations, 0.1, gradients) == 0);
  CHECK(gradients.rows.empty());
  CHECK(gradients.matrices == std::vector<float>(f.matrices.size(), 0.0F));
}

TEST_CASE("the KG loss stays finite for large energies") {
  Fixture f(50);
  for (float& value : f.embeddings) value *= 1e3F;
  KgGradients gradients;
  CHECK(std::isfinite(kg_loss(f.batch, f.view(), f.graph.n_relations, 0, gradients)));
  for (const float value : gradients.embeddings) REQUIRE(std::isfinite(value));
}

TEST_CASE("the bits of the KG gradients do not depend on the threads") {
  const Fixture f(1000);
  KgGradients one, three;
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const double loss = kg_loss(f.batch, f.view(), f.graph.n_relations, 0.1, one);
  omp_set_num_threads(3);
  CHECK(kg_loss(f.batch, f.view(), f.graph.n_relations, 0.1, three) == loss);
  omp_set_num_threads(before);
  CHECK(one.embeddings == three.embeddings);
  CHECK(one.relations == three.relations);
  CHECK(one.matrices == three.matrices);
}

struct Cf {
  CfRows batch{{0, 1, 0, 2}, {3, 3, 4, 5}, {4, 5, 3, 3}};  // rows meet in several roles
  std::vector<std::int32_t> widths{3, 5};
  std::vector<float> first = noise(6 * 3, 1, 1), second = noise(6 * 5, 1, 2);

  double loss(double lambda) const {
    double total = 0;
    for (std::size_t b = 0; b < batch.users.size(); ++b) {
      double difference = 0, squares = 0;
      const auto add = [&](const std::vector<float>& part, std::int32_t width) {
        for (std::int32_t c = 0; c < width; ++c) {
          const double u = part[batch.users[b] * width + c];
          const double i = part[batch.positives[b] * width + c];
          const double j = part[batch.negatives[b] * width + c];
          difference += u * (i - j);
          squares += u * u + i * i + j * j;
        }
      };
      add(first, 3);
      add(second, 5);
      total += std::log1p(std::exp(-difference)) + lambda * 0.5 * squares;
    }
    return total;
  }
};

TEST_CASE("the CF loss and its gradients equal the equations") {
  Cf f;
  const std::vector<const float*> parts{f.first.data(), f.second.data()};
  std::vector<float> coefficients(4), g1(f.first.size(), NAN), g2(f.second.size(), NAN);
  CHECK(cf_loss_forward(f.batch, parts, f.widths, 0.1, coefficients.data()) ==
        Approx(f.loss(0.1)).epsilon(1e-6));
  const std::vector<float*> targets{g1.data(), g2.data()};
  cf_loss_backward(f.batch, parts, f.widths, 0.1, 2.0F, coefficients.data(), 6, targets);
  const auto check = [&](std::vector<float>& value, const std::vector<float>& gradient) {
    for (std::size_t at = 0; at < value.size(); ++at) {
      const float before = value[at];
      constexpr float kStep = 0x1p-11F;
      value[at] = before + kStep;
      const double up = f.loss(0.1);
      value[at] = before - kStep;
      const double slope = (up - f.loss(0.1)) / (2.0 * kStep);
      value[at] = before;
      CHECK(gradient[at] == Approx(2 * slope).margin(1e-4));
    }
  };
  check(f.first, g1);
  check(f.second, g2);
}

TEST_CASE("the CF loss does not overflow") {
  CfRows batch{{0}, {1}, {2}};
  const std::vector<std::int32_t> widths{1};
  for (const float size : {1e4F, -1e4F}) {
    const std::vector<float> part{size, 1.0F, -1.0F};
    const std::vector<const float*> parts{part.data()};
    float coefficient = 0;
    const double loss = cf_loss_forward(batch, parts, widths, 0, &coefficient);
    CHECK(loss == Approx(size > 0 ? 0.0 : 2e4));
    CHECK(coefficient == Approx(size > 0 ? 0.0 : -1.0));
  }
}

}  // namespace
