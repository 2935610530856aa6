// The sparse product, by emulation, against a naive sum on adversarial shapes.
#include <cmath>

#include "emulated.h"
#include "gpu/graph.h"
#include "support.h"

namespace {

using namespace kgat;
using namespace kgat::testing;

/// Rows of given degrees; edge e has the tail 7 e mod n.
struct Matrix {
  std::vector<std::int32_t> offsets{0}, tails;
  std::vector<float> values;
  gpu::LongRows long_rows;

  explicit Matrix(const std::vector<std::int32_t>& degrees) {
    long_rows.first_segment.push_back(0);
    for (std::size_t row = 0; row < degrees.size(); ++row) {
      offsets.push_back(offsets.back() + degrees[row]);
      if (degrees[row] <= gpu::kSegment) continue;
      const std::int32_t segments = (degrees[row] + gpu::kSegment - 1) / gpu::kSegment;
      for (std::int32_t s = 0; s < segments; ++s) {
        long_rows.segment_owner.push_back(static_cast<std::int32_t>(long_rows.rows.size()));
      }
      long_rows.rows.push_back(static_cast<std::int32_t>(row));
      long_rows.first_segment.push_back(static_cast<std::int32_t>(long_rows.segment_owner.size()));
    }
    const auto n = static_cast<std::int32_t>(degrees.size());
    for (std::int32_t e = 0; e < offsets.back(); ++e) tails.push_back(7 * e % n);
    values = noise(tails.size(), 1, 3);
  }
  std::int32_t n() const { return static_cast<std::int32_t>(offsets.size()) - 1; }
  gpu::Rows rows() const {
    return {nullptr,
            nullptr,
            n(),
            static_cast<std::int32_t>(long_rows.rows.size()),
            static_cast<std::int32_t>(long_rows.segment_owner.size()),
            long_rows.rows.data(),
            long_rows.first_segment.data(),
            long_rows.segment_owner.data()};
  }
};

std::vector<float> product(const Matrix& m, const std::vector<std::int32_t>* columns,
                           const std::vector<float>& x, std::int32_t width, std::vector<float> out,
                           bool add) {
  const gpu::Rows rows = m.rows();
  std::vector<float> partial(static_cast<std::size_t>(rows.n_segments) * width + 1);
  const char* failure =
      emulated_table().sparse_product({m.offsets.data(), m.tails.data(), m.values.data(), rows,
                                       columns != nullptr ? columns->data() : nullptr, width,
                                       x.data(), partial.data(), out.data(), add},
                                      0);
  CHECK(failure == nullptr);
  return out;
}

std::vector<float> naive(const Matrix& m, const std::vector<std::int32_t>* columns,
                         const std::vector<float>& x, std::int32_t width, std::vector<float> out,
                         bool add) {
  for (std::int32_t row = 0; row < m.n(); ++row) {
    for (std::int32_t c = 0; c < width; ++c) {
      double sum = add ? out[static_cast<std::size_t>(row * width + c)] : 0;
      for (std::int32_t e = m.offsets[row]; e < m.offsets[row + 1]; ++e) {
        const std::int32_t tail = m.tails[e];
        const std::int32_t at = columns != nullptr ? (*columns)[tail] : tail;
        if (at >= 0) sum += double{m.values[e]} * x[static_cast<std::size_t>(at * width + c)];
      }
      out[static_cast<std::size_t>(row * width + c)] = static_cast<float>(sum);
    }
  }
  return out;
}

TEST_CASE("gpu: the sparse product of rows of any length and width") {
  const std::int32_t width = GENERATE(1, 3, 4, 16, 20, 31, 32, 33, 64, 100, 128, 130, 256);
  // Empty rows, one edge, a warp's edges and one more, a segment and one more, hubs.
  const Matrix m({0, 1, 31, 32, 33, 0, 255, 256, 257, 512, 513, 0, 1500, 2, 0});
  const auto x = noise(static_cast<std::size_t>(m.n() * width), 1, 5);
  const auto before = noise(x.size(), 1, 6);
  std::vector<std::int32_t> some(static_cast<std::size_t>(m.n()), -1), none = some;
  for (std::int32_t node = 0; node < m.n(); node += 2) some[node] = node / 2;
  for (const auto* columns : {static_cast<std::vector<std::int32_t>*>(nullptr), &some, &none}) {
    for (const bool add : {false, true}) {
      INFO("width " << width << ", add " << add);
      const auto found = product(m, columns, x, width, before, add);
      CHECK(distance(found, naive(m, columns, x, width, before, add)) < 1e-4);
      CHECK(found == product(m, columns, x, width, before, add));
    }
  }
}

TEST_CASE("gpu: the sparse product of memory that 128-bit reads must not touch") {
  const Matrix m({5, 300, 0, 2});
  const auto x = noise(4 * 8 + 1, 1, 5);
  std::vector<float> out(32);
  const gpu::Rows rows = m.rows();
  std::vector<float> partial(static_cast<std::size_t>(rows.n_segments) * 8);
  CHECK(
      emulated_table().sparse_product({m.offsets.data(), m.tails.data(), m.values.data(), rows,
                                       nullptr, 8, x.data() + 1, partial.data(), out.data(), false},
                                      0) == nullptr);
  const std::vector<float> shifted(x.begin() + 1, x.end());
  CHECK(distance(out, naive(m, nullptr, shifted, 8, out, false)) < 1e-4);
}

TEST_CASE("gpu: a matrix without rows or edges") {
  const Matrix m({0, 0});
  const std::vector<float> x(8, 1);
  CHECK(product(m, nullptr, x, 4, std::vector<float>(8, 3), false) == std::vector<float>(8, 0));
  CHECK(product(m, nullptr, x, 4, std::vector<float>(8, 3), true) == std::vector<float>(8, 3));
}

TEST_CASE("gpu: the softmax of long rows does not overflow") {
  std::vector<std::int32_t> offsets{0, 0, 3, 700, 701};
  std::vector<float> values(701, 500.0F);
  values[1] = -1000.0F;
  const std::vector<std::int32_t> long_rows{2};
  CHECK(emulated_table().row_softmax({offsets.data(), 4, 1, long_rows.data(), values.data()}, 0) ==
        nullptr);
  CHECK(values[0] == Approx(0.5));
  CHECK(values[1] == 0.0F);
  CHECK(values[300] == Approx(1.0 / 697));
  CHECK(values[700] == Approx(1.0));
}

}  // namespace
