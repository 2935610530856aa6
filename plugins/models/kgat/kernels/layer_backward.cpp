#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/layer_block.h"

namespace kgat {
namespace {

using namespace simd;

struct Backward {
  const LayerPlace& place;
  const LayerShape& shape;
  float scale;  // of dropout
  const float* x;
  const LayerSaved& saved;
  const float* gy;
  float* gx;
  Widths widths;
  std::vector<float> w1, w2;  // [d_out, depth padded]
  float* g_neighbours;        // [out.size, d_in]
};

/// Weight gradients of one chunk: w1, w2 [d_out, depth padded], b1, b2 [out padded].
struct ChunkGradients {
  float *w1, *w2, *b1, *b2;
  static std::ptrdiff_t size(const LayerShape& shape, const Widths& widths) {
    return 2 * (shape.d_out * widths.depth + widths.out);
  }
  static ChunkGradients at(float* memory, const LayerShape& shape, const Widths& widths) {
    const std::ptrdiff_t w = shape.d_out * widths.depth;
    return {memory, memory + w, memory + 2 * w, memory + 2 * w + widths.out};
  }
};

/// product1, product2 := the gradients of W1 · input1 + b1 and of W2 · input2 + b2.
KGAT_INLINE void activate_backward(const Backward& pass, std::int32_t begin, std::int32_t end,
                                   BlockMemory& memory) {
  const std::ptrdiff_t columns = pass.shape.d_out, width = pass.widths.out;
  const float slope = pass.shape.slope;
  for (std::int32_t row = begin; row < end; ++row) {
    const float* g = pass.gy + std::ptrdiff_t{row} * columns;
    const std::uint8_t* codes = pass.saved.codes + std::ptrdiff_t{row} * columns;
    float* p1 = memory.product1.data() + (row - begin) * width;
    float* p2 = memory.product2.data() + (row - begin) * width;
    for (std::ptrdiff_t c = 0; c < columns; ++c) {
      const float kept = (codes[c] & 4) != 0 ? g[c] * pass.scale : 0.0F;
      p1[c] = (codes[c] & 1) != 0 ? kept : kept * slope;
      p2[c] = (codes[c] & 2) != 0 ? kept : kept * slope;
    }
  }
}

/// w += gᵀ · input, b += the column sums of g.
template <class Isa>
KGAT_INLINE void add_weights(const LayerShape& shape, const Widths& widths, std::ptrdiff_t rows,
                             const float* g, const float* input, float* w, float* b) {
  gemm<Isa>(shape.d_out, widths.depth, rows, {g, 1, widths.out}, input, widths.depth, w,
            widths.depth);
  for (std::ptrdiff_t i = 0; i < rows; ++i) {
    for (std::ptrdiff_t c = 0; c < widths.out; ++c) b[c] += g[i * widths.out + c];
  }
}

/// input := g · w, the gradient of the product's input.
template <class Isa>
KGAT_INLINE void input_gradient(const LayerShape& shape, const Widths& widths, std::ptrdiff_t rows,
                                const float* g, const std::vector<float>& w,
                                std::vector<float>& input) {
  std::fill(input.begin(), input.begin() + rows * widths.depth, 0.0F);
  gemm<Isa>(rows, widths.depth, shape.d_out, {g, widths.out, 1}, w.data(), widths.depth,
            input.data(), widths.depth);
}

/// Splits the gradients of the inputs into that of e (into gx) and that of n.
KGAT_INLINE void separate(const Backward& pass, std::int32_t begin, std::int32_t end,
                          const BlockMemory& memory) {
  const std::ptrdiff_t columns = pass.shape.d_in;
  for (std::int32_t row = begin; row < end; ++row) {
    const std::ptrdiff_t i = row - begin;
    const float* e = memory.self.data() + i * pass.widths.in;
    const float* n = memory.neighbours.data() + i * pass.widths.in;
    const float* in1 = memory.input1.data() + i * pass.widths.depth;
    const float* in2 = memory.input2.data() + i * pass.widths.depth;
    float* ge = pass.gx + std::ptrdiff_t{pass.place.in->row(pass.place.out->node(row))} * columns;
    float* gn = pass.g_neighbours + std::ptrdiff_t{row} * columns;
    switch (pass.shape.aggregator) {
      case Aggregator::kBi:
        for (std::ptrdiff_t c = 0; c < columns; ++c) ge[c] = in1[c] + in2[c] * n[c];
        for (std::ptrdiff_t c = 0; c < columns; ++c) gn[c] = in1[c] + in2[c] * e[c];
        break;
      case Aggregator::kGcn:
        for (std::ptrdiff_t c = 0; c < columns; ++c) ge[c] = gn[c] = in1[c];
        break;
      case Aggregator::kGraphSage:
        for (std::ptrdiff_t c = 0; c < columns; ++c) ge[c] = in1[c];
        for (std::ptrdiff_t c = 0; c < columns; ++c) gn[c] = in1[columns + c];
        break;
    }
  }
}

struct BackwardChunk {
  template <class Isa>
  KGAT_INLINE void run(const Backward* pass, std::int32_t first, std::int32_t last,
                       BlockMemory* memory, ChunkGradients gradients) {
    const LayerShape& shape = pass->shape;
    const Widths& widths = pass->widths;
    for (std::int32_t begin = first; begin < last; begin += kBlockRows) {
      const std::int32_t end = std::min(begin + kBlockRows, last);
      const std::ptrdiff_t rows = end - begin;
      load_self(pass->place, shape, widths, begin, end, pass->x, *memory);
      for (std::ptrdiff_t i = 0; i < rows; ++i) {
        std::memcpy(memory->neighbours.data() + i * widths.in,
                    pass->saved.neighbours + (begin + i) * shape.d_in,
                    static_cast<std::size_t>(shape.d_in) * sizeof(float));
      }
      combine(shape, widths, rows, *memory);
      activate_backward(*pass, begin, end, *memory);
      add_weights<Isa>(shape, widths, rows, memory->product1.data(), memory->input1.data(),
                       gradients.w1, gradients.b1);
      input_gradient<Isa>(shape, widths, rows, memory->product1.data(), pass->w1, memory->input1);
      if (shape.two_products()) {
        add_weights<Isa>(shape, widths, rows, memory->product2.data(), memory->input2.data(),
                         gradients.w2, gradients.b2);
        input_gradient<Isa>(shape, widths, rows, memory->product2.data(), pass->w2, memory->input2);
      }
      separate(*pass, begin, end, *memory);
    }
  }
};

/// The rows of `in` that are not in `out` get no gradient of their own: they start from zero.
void clear_other_rows(const LayerPlace& place, std::ptrdiff_t columns, float* gx) {
  if (place.out->all) return;
#pragma omp parallel for schedule(static)
  for (std::int32_t row = 0; row < place.in->size; ++row) {
    if (place.out->row(place.in->node(row)) >= 0) continue;
    std::memset(gx + std::ptrdiff_t{row} * columns, 0,
                static_cast<std::size_t>(columns) * sizeof(float));
  }
}

/// Adds the chunks in their order, and drops the padding.
LayerGradients add_chunks(const std::vector<float>& memory, std::ptrdiff_t n_chunks,
                          const LayerShape& shape, const Widths& widths) {
  const std::ptrdiff_t size = ChunkGradients::size(shape, widths);
  std::vector<float> sums(static_cast<std::size_t>(size), 0.0F);
  for (std::ptrdiff_t chunk = 0; chunk < n_chunks; ++chunk) {
    for (std::ptrdiff_t k = 0; k < size; ++k) sums[k] += memory[chunk * size + k];
  }
  const ChunkGradients sum = ChunkGradients::at(sums.data(), shape, widths);
  const auto unpad = [&](const float* w) {
    std::vector<float> out;
    for (std::ptrdiff_t r = 0; r < shape.d_out; ++r) {
      out.insert(out.end(), w + r * widths.depth, w + r * widths.depth + shape.depth());
    }
    return out;
  };
  LayerGradients out{unpad(sum.w1), std::vector<float>(sum.b1, sum.b1 + shape.d_out), {}, {}};
  if (shape.two_products()) {
    out.w2 = unpad(sum.w2);
    out.b2.assign(sum.b2, sum.b2 + shape.d_out);
  }
  return out;
}

}  // namespace

LayerGradients layer_backward(const LayerPlace& place, const LayerShape& shape,
                              const LayerWeights& weights, float dropout_scale, const float* x,
                              const LayerSaved& saved, const float* transposed, const float* gy,
                              float* gx) {
  const Widths widths(shape);
  std::vector<float> g_neighbours(static_cast<std::size_t>(place.out->size) * shape.d_in);
  const Backward pass{place,
                      shape,
                      dropout_scale,
                      x,
                      saved,
                      gy,
                      gx,
                      widths,
                      pad_rows(weights.w1, shape.d_out, shape.depth()),
                      shape.two_products() ? pad_rows(weights.w2, shape.d_out, shape.depth())
                                           : std::vector<float>{},
                      g_neighbours.data()};
  const std::int32_t n_chunks = place.out->n_chunks();
  const std::ptrdiff_t size = ChunkGradients::size(shape, widths);
  std::vector<float> partial(static_cast<std::size_t>(n_chunks * size), 0.0F);
  clear_other_rows(place, shape.d_in, gx);
#pragma omp parallel
  {
    BlockMemory memory(widths);
#pragma omp for schedule(dynamic, 1)
    for (std::int32_t chunk = 0; chunk < n_chunks; ++chunk) {
      const auto at = static_cast<std::size_t>(chunk);
      dispatch<BackwardChunk>(&pass, place.out->chunks[at], place.out->chunks[at + 1], &memory,
                              ChunkGradients::at(partial.data() + chunk * size, shape, widths));
    }
  }
  gather_add({place.graph, transposed, place.out}, *place.in, g_neighbours.data(), shape.d_in, gx);
  return add_chunks(partial, n_chunks, shape, widths);
}

}  // namespace kgat
