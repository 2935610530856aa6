// One propagation layer (KGAT equations 3, 6 to 9), fused: for a block of rows the neighbours are
// gathered, combined, multiplied by the weights, activated and dropped while they are in the cache.
//
//   gcn        y = LReLU(W1 (e + n) + b1)                               (equation 6)
//   graphsage  y = LReLU(W1 [e ‖ n] + b1)                               (equation 7)
//   bi         y = LReLU(W1 (e + n) + b1) + LReLU(W2 (e ⊙ n) + b2)      (equation 8)
//
// with n = Σ_t π(h,r,t) e_t (equation 3), followed by dropout. Weights are [d_out, depth], depth =
// d_in, or 2 d_in for graphsage.
#pragma once

#include <cstdint>
#include <vector>

#include "frontier.h"
#include "kernels/dropout.h"

namespace kgat {

enum class Aggregator { kBi, kGcn, kGraphSage };

struct LayerShape {
  Aggregator aggregator = Aggregator::kBi;
  std::int32_t d_in = 0, d_out = 0;
  float slope = 0.01F;  // of LeakyReLU, in [0, 1)

  std::int32_t depth() const { return aggregator == Aggregator::kGraphSage ? 2 * d_in : d_in; }
  bool two_products() const { return aggregator == Aggregator::kBi; }
};

struct LayerWeights {
  const float *w1 = nullptr, *b1 = nullptr;  // [d_out, depth], [d_out]
  const float *w2 = nullptr, *b2 = nullptr;  // the same, bi alone
};

/// What a layer works on. Borrows everything.
struct LayerPlace {
  const Graph* graph = nullptr;
  const Level *in = nullptr, *out = nullptr;  // out is a subset of in, which holds its neighbours
  const float* values = nullptr;              // [n_edges]
};

/// What backward needs of forward.
struct LayerSaved {
  float* neighbours = nullptr;    // [out.size, d_in]
  std::uint8_t* codes = nullptr;  // [out.size, d_out] bits: 1, 2 sign of each product, 4 kept
};

/// y [out.size, d_out] of x [in.size, d_in]. `saved` may hold null pointers (evaluation).
void layer_forward(const LayerPlace& place, const LayerShape& shape, const LayerWeights& weights,
                   const Dropout& dropout, const float* x, float* y, const LayerSaved& saved);

struct LayerGradients {
  std::vector<float> w1, b1, w2, b2;  // shaped as the weights; w2 and b2 are empty but for bi
};

/// Gradients from gy [out.size, d_out]: those of the weights are returned, that of x is written to
/// gx [in.size, d_in]. `transposed` are the values of the transposed matrix [n_edges].
LayerGradients layer_backward(const LayerPlace& place, const LayerShape& shape,
                              const LayerWeights& weights, float dropout_scale, const float* x,
                              const LayerSaved& saved, const float* transposed, const float* gy,
                              float* gx);

/// z = y / max(|y|, 1e-12) of the rows of `level` at the nodes of `batch`: [batch.size, columns].
void normalise_rows(const Level& level, const Level& batch, const float* y, std::ptrdiff_t columns,
                    float* z);

/// Adds to gy the gradient that gz [batch.size, columns] gives through the normalisation.
void normalise_rows_backward(const Level& level, const Level& batch, const float* y,
                             const float* gz, std::ptrdiff_t columns, float* gy);

}  // namespace kgat
