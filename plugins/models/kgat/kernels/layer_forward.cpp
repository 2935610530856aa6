#include <algorithm>
#include <cstring>

#include "kernels/layer_block.h"

namespace kgat {
namespace {

using namespace simd;

struct Forward {
  const LayerPlace& place;
  const LayerShape& shape;
  const LayerWeights& weights;
  const Dropout& dropout;
  const float* x;
  float* y;
  const LayerSaved& saved;
  Widths widths;
  Sparse matrix;
  std::vector<float> hubs, w1, w2;  // w1, w2 [depth, out]
};

/// The padded memory holds one bias a row, and the product is added to it.
KGAT_INLINE void fill_bias(const float* bias, std::ptrdiff_t columns, std::ptrdiff_t rows,
                           std::ptrdiff_t width, float* out) {
  for (std::ptrdiff_t i = 0; i < rows; ++i) {
    for (std::ptrdiff_t c = 0; c < columns; ++c) out[i * width + c] = bias[c];
  }
}

KGAT_INLINE void activate(const Forward& pass, std::int32_t begin, std::int32_t end,
                          BlockMemory& memory) {
  const std::ptrdiff_t columns = pass.shape.d_out, width = pass.widths.out;
  const float slope = pass.shape.slope;
  const auto threshold = static_cast<std::int32_t>(pass.dropout.threshold);
  const float scale = pass.dropout.scale();
  const float two = pass.shape.two_products() ? 1.0F : 0.0F;
  for (std::int32_t row = begin; row < end; ++row) {
    float* p1 = memory.product1.data() + (row - begin) * width;
    const float* p2 = memory.product2.data() + (row - begin) * width;
    const std::uint16_t* numbers = memory.numbers.data() + (row - begin) * width;
    float* out = pass.y + std::ptrdiff_t{row} * columns;
    if (pass.saved.codes != nullptr) {
      std::uint8_t* codes = pass.saved.codes + std::ptrdiff_t{row} * columns;
      for (std::ptrdiff_t c = 0; c < columns; ++c) {
        codes[c] = static_cast<std::uint8_t>((p1[c] > 0 ? 1 : 0) | (p2[c] > 0 ? 2 : 0) |
                                             (numbers[c] >= threshold ? 4 : 0));
      }
    }
    for (std::ptrdiff_t c = 0; c < columns; ++c) {
      const float kept = numbers[c] >= threshold ? scale : 0.0F;
      const float first = p1[c] > 0 ? p1[c] : p1[c] * slope;
      const float second = p2[c] > 0 ? p2[c] : p2[c] * slope;
      out[c] = (first + two * second) * kept;
    }
  }
}

struct ForwardChunk {
  template <class Isa>
  KGAT_INLINE void run(const Forward* pass, std::int32_t first, std::int32_t last,
                       BlockMemory* memory) {
    const LayerShape& shape = pass->shape;
    const Widths& widths = pass->widths;
    for (std::int32_t begin = first; begin < last; begin += kBlockRows) {
      const std::int32_t end = std::min(begin + kBlockRows, last);
      const std::ptrdiff_t rows = end - begin;
      const BlockEdges edges =
          block_edges(pass->matrix, *pass->place.out, begin, end, memory->edges);
      std::fill(memory->neighbours.begin(), memory->neighbours.end(), 0.0F);
      for (std::int32_t row = begin; row < end; ++row) {
        float* sum = memory->neighbours.data() + (row - begin) * widths.in;
        gather_row<Isa>(edges, *pass->place.out, row, row - begin, pass->hubs.data(), pass->x,
                        shape.d_in, sum);
        if (pass->saved.neighbours == nullptr) continue;
        std::memcpy(pass->saved.neighbours + std::ptrdiff_t{row} * shape.d_in, sum,
                    static_cast<std::size_t>(shape.d_in) * sizeof(float));
      }
      load_self(pass->place, shape, widths, begin, end, pass->x, *memory);
      combine(shape, widths, rows, *memory);
      fill_bias(pass->weights.b1, shape.d_out, rows, widths.out, memory->product1.data());
      gemm<Isa>(rows, widths.out, shape.depth(), {memory->input1.data(), widths.depth, 1},
                pass->w1.data(), widths.out, memory->product1.data(), widths.out);
      if (shape.two_products()) {
        fill_bias(pass->weights.b2, shape.d_out, rows, widths.out, memory->product2.data());
        gemm<Isa>(rows, widths.out, shape.depth(), {memory->input2.data(), widths.depth, 1},
                  pass->w2.data(), widths.out, memory->product2.data(), widths.out);
      }
      if (pass->dropout.threshold > 0) {
        const Level* level = pass->place.out;
        dropout_numbers<Isa>(
            pass->dropout,
            [level, begin](std::ptrdiff_t i) {
              return level->node(begin + static_cast<std::int32_t>(i));
            },
            rows, shape.d_out, memory->numbers.data());
      }
      activate(*pass, begin, end, *memory);
    }
  }
};

}  // namespace

void layer_forward(const LayerPlace& place, const LayerShape& shape, const LayerWeights& weights,
                   const Dropout& dropout, const float* x, float* y, const LayerSaved& saved) {
  const Sparse matrix{place.graph, place.values, place.in};
  const Forward pass{place,
                     shape,
                     weights,
                     dropout,
                     x,
                     y,
                     saved,
                     Widths(shape),
                     matrix,
                     gather_hubs(matrix, *place.out, x, shape.d_in),
                     transpose_padded(weights.w1, shape.d_out, shape.depth()),
                     shape.two_products() ? transpose_padded(weights.w2, shape.d_out, shape.depth())
                                          : std::vector<float>{}};
#pragma omp parallel
  {
    BlockMemory memory(pass.widths);
#pragma omp for schedule(dynamic, 1)
    for (std::int32_t chunk = 0; chunk < place.out->n_chunks(); ++chunk) {
      const auto at = static_cast<std::size_t>(chunk);
      dispatch<ForwardChunk>(&pass, place.out->chunks[at], place.out->chunks[at + 1], &memory);
    }
  }
}

}  // namespace kgat
