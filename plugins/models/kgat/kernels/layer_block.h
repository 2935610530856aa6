// What the forward and backward pass of a layer share: weights laid out for the products, and the
// memory of a thread.
#pragma once

#include <vector>

#include "kernels/gather.h"
#include "kernels/layer.h"
#include "kernels/simd.h"

namespace kgat::simd {

/// Widths of a layer's blocks, padded to whole vectors.
struct Widths {
  std::ptrdiff_t in, depth, out;

  explicit Widths(const LayerShape& shape)
      : in(padded(shape.d_in)), depth(padded(shape.depth())), out(padded(shape.d_out)) {}
};

/// w [rows, columns] → [rows, padded(columns)], zeros beyond.
inline std::vector<float> pad_rows(const float* w, std::ptrdiff_t rows, std::ptrdiff_t columns) {
  const std::ptrdiff_t width = padded(columns);
  std::vector<float> out(static_cast<std::size_t>(rows * width), 0.0F);
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    std::copy(w + r * columns, w + (r + 1) * columns, out.data() + r * width);
  }
  return out;
}

/// w [rows, columns] → [columns, padded(rows)], zeros beyond.
inline std::vector<float> transpose_padded(const float* w, std::ptrdiff_t rows,
                                           std::ptrdiff_t columns) {
  const std::ptrdiff_t width = padded(rows);
  std::vector<float> out(static_cast<std::size_t>(columns * width), 0.0F);
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    for (std::ptrdiff_t c = 0; c < columns; ++c) out[c * width + r] = w[r * columns + c];
  }
  return out;
}

/// Memory of a thread for one block of rows.
struct BlockMemory {
  explicit BlockMemory(const Widths& widths)
      : self(rows(widths.in)),
        neighbours(rows(widths.in)),
        input1(rows(widths.depth)),
        input2(rows(widths.depth)),
        product1(rows(widths.out)),
        product2(rows(widths.out)),
        numbers(static_cast<std::size_t>(kBlockRows * widths.out)) {}

  EdgeBuffer edges;
  std::vector<float> self, neighbours;    // [kBlockRows, in]
  std::vector<float> input1, input2;      // [kBlockRows, depth]
  std::vector<float> product1, product2;  // [kBlockRows, out]
  std::vector<std::uint16_t> numbers;     // [kBlockRows, out]

 private:
  static std::vector<float> rows(std::ptrdiff_t width) {
    return std::vector<float>(static_cast<std::size_t>(kBlockRows * width), 0.0F);
  }
};

/// The inputs of the products from a block of e and n: e + n and e ⊙ n, or [e ‖ n].
KGAT_INLINE void combine(const LayerShape& shape, const Widths& widths, std::ptrdiff_t rows,
                         BlockMemory& memory) {
  const float *e = memory.self.data(), *n = memory.neighbours.data();
  float *in1 = memory.input1.data(), *in2 = memory.input2.data();
  if (shape.aggregator == Aggregator::kGraphSage) {
    for (std::ptrdiff_t i = 0; i < rows; ++i) {
      for (std::ptrdiff_t c = 0; c < shape.d_in; ++c) {
        in1[i * widths.depth + c] = e[i * widths.in + c];
        in1[i * widths.depth + shape.d_in + c] = n[i * widths.in + c];
      }
    }
    return;
  }
  for (std::ptrdiff_t k = 0; k < rows * widths.in; ++k) in1[k] = e[k] + n[k];
  if (!shape.two_products()) return;
  for (std::ptrdiff_t k = 0; k < rows * widths.in; ++k) in2[k] = e[k] * n[k];
}

/// Copies rows of x for a block of nodes into the padded memory.
KGAT_INLINE void load_self(const LayerPlace& place, const LayerShape& shape, const Widths& widths,
                           std::int32_t begin, std::int32_t end, const float* x,
                           BlockMemory& memory) {
  for (std::int32_t row = begin; row < end; ++row) {
    const float* from = x + std::ptrdiff_t{place.in->row(place.out->node(row))} * shape.d_in;
    float* to = memory.self.data() + (row - begin) * widths.in;
    for (std::ptrdiff_t c = 0; c < shape.d_in; ++c) to[c] = from[c];
  }
}

}  // namespace kgat::simd
