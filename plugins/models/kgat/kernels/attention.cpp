#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/layer_block.h"
#include "kernels/simd.h"

namespace kgat {
namespace {

using namespace simd;

/// exp(x) for x in [-80, 80]: 2^n · e^r with |r| <= ln 2 / 2, e^r by its Taylor polynomial.
KGAT_INLINE float exponential(float x) {
  const float n = std::nearbyint(x * 1.44269504F);
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts
  float sum = 1.0F / 5040;
  for (const float term : {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F, 1.0F}) {
    sum = sum * r + term;
  }
  const auto bits = (static_cast<std::int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  return sum * power;
}

/// tanh: Lambert's continued fraction to x^7 for |x| < 1, 1 - 2 / (e^2x + 1) beyond.
KGAT_INLINE float hyperbolic_tangent(float x) {
  const float size = std::min(std::fabs(x), 20.0F);
  const float s = size * size;
  const float small = size * (135135.0F + s * (17325.0F + s * (378.0F + s))) /
                      (135135.0F + s * (62370.0F + s * (3150.0F + s * 28.0F)));
  const float large = 1.0F - 2.0F / (exponential(2.0F * size) + 1.0F);
  return std::copysign(size < 1.0F ? small : large, x);
}

struct TanhInPlace {
  template <class Isa>
  KGAT_INLINE void run(float* values, std::ptrdiff_t size) {
    for (std::ptrdiff_t i = 0; i < size; ++i) values[i] = hyperbolic_tangent(values[i]);
  }
};

/// Groups of one relation that are projected together.
struct Block {
  std::int32_t begin, end;  // in Graph::by_relation
};

std::vector<Block> blocks_of(const Graph& graph) {
  std::vector<Block> out;
  for (std::int32_t at = 0; at < graph.n_groups(); ++at) {
    const auto relation = [&](std::int32_t place) {
      const auto group =
          static_cast<std::size_t>(graph.by_relation[static_cast<std::size_t>(place)]);
      return graph.group_relation[group];
    };
    if (out.empty() || at - out.back().begin == kBlockRows ||
        relation(at) != relation(out.back().begin)) {
      out.push_back({at, at});
    }
    out.back().end = at + 1;
  }
  return out;
}

/// The matrices of all relations, padded, as they are and transposed.
struct Matrices {
  std::vector<float> forward, backward;  // [n_relations, d, k padded], [n_relations, k, d padded]
};

struct Memory {
  std::vector<float> heads, keys, queries, tail;  // [kBlockRows, d], [.., k], [.., d], [d]
};

struct LogitsOfBlock {
  template <class Isa>
  KGAT_INLINE void run(const Graph* graph, const TransR* parameters, const Matrices* matrices,
                       Block block, Memory* memory, float* values) {
    const std::ptrdiff_t d = parameters->d, k = parameters->k;
    const std::ptrdiff_t d_pad = padded(d), k_pad = padded(k), rows = block.end - block.begin;
    const std::int32_t* groups = graph->by_relation.data() + block.begin;
    const std::ptrdiff_t relation = graph->group_relation[static_cast<std::size_t>(groups[0])];
    const float* bias = parameters->relations + relation * k;
    float *heads = memory->heads.data(), *keys = memory->keys.data();
    float* queries = memory->queries.data();
    for (std::ptrdiff_t i = 0; i < rows; ++i) {
      const std::ptrdiff_t head = graph->group_head[static_cast<std::size_t>(groups[i])];
      std::copy_n(parameters->embeddings + head * d, d, heads + i * d_pad);
      std::copy_n(bias, k, keys + i * k_pad);
    }
    gemm<Isa>(rows, k_pad, d, {heads, d_pad, 1}, matrices->forward.data() + relation * d * k_pad,
              k_pad, keys, k_pad);
    TanhInPlace::run<Isa>(keys, rows * k_pad);
    std::fill(queries, queries + rows * d_pad, 0.0F);
    gemm<Isa>(rows, d_pad, k, {keys, k_pad, 1}, matrices->backward.data() + relation * k * d_pad,
              d_pad, queries, d_pad);
    for (std::ptrdiff_t i = 0; i < rows; ++i) {
      logits_of_group<Isa>(*graph, *parameters, static_cast<std::size_t>(groups[i]),
                           queries + i * d_pad, memory->tail.data(), values);
    }
  }

  template <class Isa>
  KGAT_INLINE void logits_of_group(const Graph& graph, const TransR& parameters, std::size_t group,
                                   const float* query, float* tail, float* values) {
    constexpr std::int32_t kAhead = 8;
    const std::ptrdiff_t d = parameters.d, d_pad = padded(d);
    const std::int32_t end = graph.group_offsets[group + 1];
    for (std::int32_t e = graph.group_offsets[group]; e < end; ++e) {
      const auto at = static_cast<std::size_t>(e);
      const auto ahead = static_cast<std::size_t>(std::min(e + kAhead, end - 1));
      const float* next = parameters.embeddings + std::ptrdiff_t{graph.tails[ahead]} * d;
      for (std::ptrdiff_t c = 0; c < d; c += 16) __builtin_prefetch(next + c);
      const float* row = parameters.embeddings + std::ptrdiff_t{graph.tails[at]} * d;
      if (d == d_pad) {
        values[at] = dot<Isa>(row, query, d);
      } else {
        std::copy_n(row, d, tail);
        values[at] = dot<Isa>(tail, query, d_pad);
      }
    }
  }
};

void softmax_of_rows(const Graph& graph, float* values) {
#pragma omp parallel for schedule(dynamic, 512)
  for (std::int32_t node = 0; node < graph.n_nodes; ++node) {
    const auto at = static_cast<std::size_t>(node);
    float *begin = values + graph.offsets[at], *end = values + graph.offsets[at + 1];
    if (begin == end) continue;
    const float largest = *std::max_element(begin, end);
    double sum = 0;
    for (float* value = begin; value != end; ++value) {
      *value = std::exp(*value - largest);
      sum += *value;
    }
    const auto factor = static_cast<float>(1.0 / sum);
    for (float* value = begin; value != end; ++value) *value *= factor;
  }
}

}  // namespace

void tanh_in_place(float* values, std::ptrdiff_t size) { dispatch<TanhInPlace>(values, size); }

void attention_values(const Graph& graph, const TransR& parameters, float* values) {
  const std::ptrdiff_t d = parameters.d, k = parameters.k;
  Matrices matrices;
  for (std::ptrdiff_t r = 0; r < graph.n_relations; ++r) {
    const float* w = parameters.matrices + r * d * k;
    const auto forward = pad_rows(w, d, k), backward = transpose_padded(w, d, k);
    matrices.forward.insert(matrices.forward.end(), forward.begin(), forward.end());
    matrices.backward.insert(matrices.backward.end(), backward.begin(), backward.end());
  }
  const std::vector<Block> blocks = blocks_of(graph);
#pragma omp parallel
  {
    const auto rows = [](std::ptrdiff_t width) {
      return std::vector<float>(static_cast<std::size_t>(kBlockRows * padded(width)), 0.0F);
    };
    Memory memory{rows(d), rows(k), rows(d), rows(d)};
#pragma omp for schedule(dynamic, 4)
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      dispatch<LogitsOfBlock>(&graph, &parameters, &matrices, blocks[b], &memory, values);
    }
  }
  softmax_of_rows(graph, values);
}

}  // namespace kgat
