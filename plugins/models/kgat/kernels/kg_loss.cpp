#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/layer_block.h"
#include "kernels/losses.h"
#include "kernels/simd.h"

namespace kgat {
namespace {

using namespace simd;

/// Rows of one relation that are projected together: positions in `order`.
struct Block {
  std::int32_t begin, end;
};

constexpr std::int32_t kRows = 32;  // of the batch in a block; a block projects three nodes a row

struct Plan {
  std::vector<std::int32_t> order;  // rows of the batch, sorted by relation
  std::vector<Block> blocks;
};

Plan plan_of(const KgBatch& batch, std::int32_t n_relations) {
  Plan plan;
  std::vector<std::int32_t> next(static_cast<std::size_t>(n_relations) + 1, 0);
  for (const std::int32_t relation : batch.relations)
    ++next[static_cast<std::size_t>(relation) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  for (std::size_t r = 0; r + 1 < next.size(); ++r) {
    for (std::int32_t begin = next[r]; begin < next[r + 1]; begin += kRows) {
      plan.blocks.push_back({begin, std::min(begin + kRows, next[r + 1])});
    }
  }
  plan.order.resize(batch.relations.size());
  for (std::size_t b = 0; b < batch.relations.size(); ++b) {
    auto& place = next[static_cast<std::size_t>(batch.relations[b])];
    plan.order[static_cast<std::size_t>(place++)] = static_cast<std::int32_t>(b);
  }
  return plan;
}

struct Pass {
  const KgBatch& batch;
  const TransR& parameters;
  double lambda;
  Plan plan;
  std::ptrdiff_t d, k, d_pad, k_pad;
  std::vector<double> losses;              // [batch]
  std::vector<float> embedding_gradients;  // [3 · batch, d]: head, positive, negative of each row
  std::vector<float> block_gradients;      // [blocks, (d + 1) · k padded]: matrix, then relation

  std::ptrdiff_t block_size() const { return (d + 1) * k_pad; }
};

struct Memory {
  std::vector<float> matrix, transposed;  // [d, k padded], [k, d padded]
  std::vector<float> nodes;               // [3 · kRows, d padded]
  std::vector<float> projected;           // [3 · kRows, k padded], then their gradients
  std::vector<float> gradients;           // [3 · kRows, d padded]
};

/// Loss of a row, and the gradients of its projections in place; adds that of the relation.
KGAT_INLINE double row_loss(std::ptrdiff_t k, double lambda, const float* relation, float* head,
                            float* positive, float* negative, float* g_relation) {
  double near = 0, far = 0, squares = 0;
  for (std::ptrdiff_t c = 0; c < k; ++c) {
    const float moved = head[c] + relation[c];
    const float x = moved - positive[c], y = moved - negative[c];
    near += double{x} * x;
    far += double{y} * y;
    squares += double{head[c]} * head[c] + double{relation[c]} * relation[c] +
               double{positive[c]} * positive[c] + double{negative[c]} * negative[c];
  }
  const double difference = near - far;
  const auto slope = static_cast<float>(2.0 / (1.0 + std::exp(-difference)));
  const auto decay = static_cast<float>(lambda);
  for (std::ptrdiff_t c = 0; c < k; ++c) {
    const float moved = head[c] + relation[c];
    const float x = slope * (moved - positive[c]), y = slope * (moved - negative[c]);
    g_relation[c] += (x - y) + decay * relation[c];
    head[c] = (x - y) + decay * head[c];
    positive[c] = decay * positive[c] - x;
    negative[c] = decay * negative[c] + y;
  }
  return std::max(difference, 0.0) + std::log1p(std::exp(-std::fabs(difference))) +
         lambda * 0.5 * squares;
}

/// The block's matrix as it is and transposed, and the vectors of its nodes, three a row.
KGAT_INLINE void load_block(const Pass& pass, const std::int32_t* order, std::ptrdiff_t rows,
                            const float* w, Memory& memory) {
  for (std::ptrdiff_t r = 0; r < pass.d; ++r) {
    for (std::ptrdiff_t c = 0; c < pass.k; ++c) {
      memory.matrix[r * pass.k_pad + c] = memory.transposed[c * pass.d_pad + r] = w[r * pass.k + c];
    }
  }
  for (std::ptrdiff_t i = 0; i < rows; ++i) {
    const auto b = static_cast<std::size_t>(order[i]);
    const std::int32_t ids[3] = {pass.batch.heads[b], pass.batch.positives[b],
                                 pass.batch.negatives[b]};
    for (std::ptrdiff_t part = 0; part < 3; ++part) {
      std::copy_n(pass.parameters.embeddings + ids[part] * pass.d, pass.d,
                  memory.nodes.data() + (3 * i + part) * pass.d_pad);
    }
  }
}

struct LossOfBlock {
  template <class Isa>
  KGAT_INLINE void run(Pass* pass, std::int32_t block, Memory* memory) {
    const Block range = pass->plan.blocks[static_cast<std::size_t>(block)];
    const std::int32_t* order = pass->plan.order.data() + range.begin;
    const std::ptrdiff_t rows = range.end - range.begin, d = pass->d, k = pass->k;
    const std::ptrdiff_t d_pad = pass->d_pad, k_pad = pass->k_pad;
    const std::ptrdiff_t relation = pass->batch.relations[static_cast<std::size_t>(order[0])];
    load_block(*pass, order, rows, pass->parameters.matrices + relation * d * k, *memory);
    const float* nodes = memory->nodes.data();
    float* projected = memory->projected.data();
    std::fill(projected, projected + 3 * rows * k_pad, 0.0F);
    gemm<Isa>(3 * rows, k_pad, d, {nodes, d_pad, 1}, memory->matrix.data(), k_pad, projected,
              k_pad);

    float* g_matrix = pass->block_gradients.data() + block * pass->block_size();
    for (std::ptrdiff_t i = 0; i < rows; ++i) {
      float* head = projected + 3 * i * k_pad;
      pass->losses[static_cast<std::size_t>(order[i])] =
          row_loss(k, pass->lambda, pass->parameters.relations + relation * k, head, head + k_pad,
                   head + 2 * k_pad, g_matrix + d * k_pad);
    }
    gemm<Isa>(d, k_pad, 3 * rows, {nodes, 1, d_pad}, projected, k_pad, g_matrix, k_pad);
    float* gradients = memory->gradients.data();
    std::fill(gradients, gradients + 3 * rows * d_pad, 0.0F);
    gemm<Isa>(3 * rows, d_pad, k, {projected, k_pad, 1}, memory->transposed.data(), d_pad,
              gradients, d_pad);
    for (std::ptrdiff_t row = 0; row < 3 * rows; ++row) {
      std::copy_n(gradients + row * d_pad, d,
                  pass->embedding_gradients.data() + (3 * order[row / 3] + row % 3) * d);
    }
  }
};

/// Adds the blocks of each relation in their order.
void add_blocks(const Pass& pass, KgGradients& out) {
  const auto n_blocks = static_cast<std::int32_t>(pass.plan.blocks.size());
  for (std::int32_t block = 0; block < n_blocks; ++block) {
    const auto begin =
        static_cast<std::size_t>(pass.plan.blocks[static_cast<std::size_t>(block)].begin);
    const std::ptrdiff_t relation =
        pass.batch.relations[static_cast<std::size_t>(pass.plan.order[begin])];
    const float* from = pass.block_gradients.data() + block * pass.block_size();
    for (std::ptrdiff_t r = 0; r <= pass.d; ++r) {
      float* to = r < pass.d ? out.matrices.data() + (relation * pass.d + r) * pass.k
                             : out.relations.data() + relation * pass.k;
      for (std::ptrdiff_t c = 0; c < pass.k; ++c) to[c] += from[r * pass.k_pad + c];
    }
  }
}

/// Adds the gradients of equal nodes, in the order of the batch.
void add_rows(const Pass& pass, KgGradients& out) {
  const std::size_t size = pass.batch.heads.size();
  std::vector<std::uint64_t> keys(3 * size);  // node << 32 | place
  for (std::size_t b = 0; b < size; ++b) {
    const std::int32_t ids[3] = {pass.batch.heads[b], pass.batch.positives[b],
                                 pass.batch.negatives[b]};
    for (std::size_t part = 0; part < 3; ++part) {
      keys[3 * b + part] = static_cast<std::uint64_t>(ids[part]) << 32 | (3 * b + part);
    }
  }
  std::sort(keys.begin(), keys.end());
  for (const std::uint64_t key : keys) {
    const auto node = static_cast<std::int32_t>(key >> 32);
    if (out.rows.empty() || out.rows.back() != node) {
      out.rows.push_back(node);
      out.embeddings.resize(out.embeddings.size() + static_cast<std::size_t>(pass.d), 0.0F);
    }
    float* to = out.embeddings.data() + out.embeddings.size() - pass.d;
    const float* from =
        pass.embedding_gradients.data() + static_cast<std::ptrdiff_t>(key & 0xFFFFFFFFU) * pass.d;
    for (std::ptrdiff_t c = 0; c < pass.d; ++c) to[c] += from[c];
  }
}

}  // namespace

double kg_loss(const KgBatch& batch, const TransR& parameters, std::int32_t n_relations,
               double lambda, KgGradients& gradients) {
  const std::ptrdiff_t d = parameters.d, k = parameters.k;
  Pass pass{batch, parameters, lambda, plan_of(batch, n_relations), d, k, padded(d), padded(k),
            {},    {},         {}};
  pass.losses.resize(batch.heads.size());
  pass.embedding_gradients.resize(3 * batch.heads.size() * static_cast<std::size_t>(d));
  pass.block_gradients.assign(pass.plan.blocks.size() * static_cast<std::size_t>(pass.block_size()),
                              0.0F);
#pragma omp parallel
  {
    const auto floats = [](std::ptrdiff_t size) {
      return std::vector<float>(static_cast<std::size_t>(size), 0.0F);
    };
    Memory memory{floats(d * pass.k_pad), floats(k * pass.d_pad), floats(3 * kRows * pass.d_pad),
                  floats(3 * kRows * pass.k_pad), floats(3 * kRows * pass.d_pad)};
#pragma omp for schedule(dynamic, 1)
    for (std::int32_t block = 0; block < static_cast<std::int32_t>(pass.plan.blocks.size());
         ++block) {
      dispatch<LossOfBlock>(&pass, block, &memory);
    }
  }
  gradients.rows.clear();
  gradients.embeddings.clear();
  gradients.relations.assign(static_cast<std::size_t>(n_relations * k), 0.0F);
  gradients.matrices.assign(static_cast<std::size_t>(n_relations * d * k), 0.0F);
  add_blocks(pass, gradients);
  add_rows(pass, gradients);
  double sum = 0;
  for (const double loss : pass.losses) sum += loss;
  return sum;
}

}  // namespace kgat
