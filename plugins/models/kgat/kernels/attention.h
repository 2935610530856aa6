// The attention of all edges (KGAT equations 4 and 5), refreshed once an epoch, without gradient.
//
//   logit(h, r, t) = (W_r e_t)ᵀ tanh(W_r e_h + e_r) = e_tᵀ q(h, r),   q = W_r tanh(W_rᵀ e_h + e_r)
//
// with W_r stored [d, k] as in the parameter trans_M: the query q is made once for each distinct
// (head, relation), and no tail is projected at all. Then the softmax over all edges of a head.
#pragma once

#include "graph.h"

namespace kgat {

struct TransR {
  const float* embeddings = nullptr;  // [n_nodes, d]
  const float* relations = nullptr;   // [n_relations, k]
  const float* matrices = nullptr;    // [n_relations, d, k]
  std::int32_t d = 0, k = 0;
};

/// values [n_edges]. The bits do not depend on the number of threads.
void attention_values(const Graph& graph, const TransR& parameters, float* values);

/// tanh of `size` floats in place, to 3e-7 absolute and 1e-6 relative.
void tanh_in_place(float* values, std::ptrdiff_t size);

}  // namespace kgat
